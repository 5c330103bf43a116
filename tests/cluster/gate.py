"""A TCP proxy that tests put between two processes, to cut what they say to each other or to hold it back."""

import asyncio
import threading

CHUNK_BYTES = 1 << 16
TO, FROM = "to", "from"  # the directions, as the one who connects sees them


class Gate:
    """Before a port of loopback, on a port of its own, with a thread of its own. Methods may be called from any thread;
    what they ask for has happened when they return."""

    def __init__(self, target_port):
        self._target_port = target_port
        self._is_cut = False
        self._transports = set()
        self._held = {TO: None, FROM: None}  # [(transport, bytes)] while it is held
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._connected, "127.0.0.1", 0))
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self):
        """Ends every connection, and each new one at once, until it is mended."""
        self._call(self._cut)

    def hold(self, *directions):
        """Lets no byte through in these, or both, until it is mended; connections stay open."""
        self._call(self._hold, directions or (TO, FROM))

    def mend(self, *directions):
        """Lets all through again, in these directions or both; first what was held."""
        self._call(self._mend, directions or (TO, FROM))

    def bytes_held(self, direction):
        return sum(len(data) for _, data in self._held[direction] or ())

    def close(self):
        self._call(self._cut)
        self._call(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def _call(self, function, *arguments):
        async def call():
            function(*arguments)

        self._run(call())

    def _cut(self):
        self._is_cut = True
        for transport in self._transports:
            transport.abort()

    def _hold(self, directions):
        for direction in directions:
            self._held[direction] = []

    def _mend(self, directions):
        self._is_cut = False
        for direction in directions:
            for transport, data in self._held[direction] or ():
                transport.write(data)
            self._held[direction] = None

    async def _connected(self, reader, writer):
        if self._is_cut:
            return writer.transport.abort()
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            return writer.transport.abort()
        transports = {writer.transport, far_writer.transport}
        self._transports |= transports
        pumps = [asyncio.ensure_future(self._pump(reader, far_writer, TO)),
                 asyncio.ensure_future(self._pump(far_reader, writer, FROM))]
        # Neither gRPC nor a database goes on with half a connection.
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        for transport in transports:
            transport.abort()
        self._transports -= transports

    async def _pump(self, reader, writer, direction):
        while data := await reader.read(CHUNK_BYTES):
            if self._held[direction] is not None:
                self._held[direction].append((writer.transport, data))
                continue
            writer.write(data)
            await writer.drain()
