"""A database server that goes away under load, in three ways, and comes back; and one that is away when all starts.

Each test has a private MariaDB of its own. Nothing else is helped: the processes must stay up and recover alone.
"""

import concurrent.futures
import itertools
import signal
import sys
import time
from pathlib import Path

import grpc
import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "e2e")]

from servers import MariaDb  # noqa: E402
from stack import SERVICES, Server, Stack, eventually  # noqa: E402
from stubs import coordinator_pb2  # noqa: E402

CALLERS = 6  # over REST, and as many over gRPC
STOCK = 1_000_000
PROGRESS = 30  # good answers before the server goes, and after it is back
REST_S_MAX = 31  # what the gateway waits, and a little
GRPC_DEADLINE_S = 3
NOTICED_S_MAX = 6
RECOVERED_S_MAX = 10
SETTLED_S_MAX = 30
PAUSE_AFTER_FAILURE_S = 0.1
# A grpc.health.v1.HealthCheckResponse on the wire.
NOT_SERVING = b"\x08\x02"
DISCONNECTED = {face: f'{{"status":"error","service":"{title} API","db":"disconnected"}}'
                for face, title in (("coordinator", "Coordinator"), ("orders", "Orders"), ("customers", "Customers"))}


@pytest.fixture
def server(tmp_path):
    assert MariaDb.installed(), "scripts/install brings MariaDB"
    (tmp_path / "server").mkdir()
    server = MariaDb(tmp_path / "server").initialize()
    yield server
    server.stop()


@pytest.fixture
def stack(server, tmp_path):
    """Over databases that exist; the server runs, the processes do not yet."""
    server.start()
    stack = Stack(tmp_path, server=Server(f"127.0.0.1:{server.port}"))
    yield stack
    stack.rest.close()
    stack.stop_processes()


class Callers:
    """Buy one unit a time of one product until told to stop, and repeat each call with its key until it is answered."""

    def __init__(self, stack, sku):
        self._stack, self._sku = stack, sku
        self._running = True
        self.good = {}  # key -> body of the answer
        self.others = []  # (seconds since the start of the call, what was answered instead)
        self._started = time.monotonic()
        self._pool = concurrent.futures.ThreadPoolExecutor(2 * CALLERS)
        self._stub = stack.coordinator()
        self._done = [self._pool.submit(self._buy, call, f"{call.__name__}-{number}")
                      for call in (self._rest, self._grpc) for number in range(CALLERS)]

    def stop(self):
        """After the last call of each was answered 200; raises what went wrong in any of them."""
        self._running = False
        for done in self._done:
            done.result(timeout=2 * REST_S_MAX)
        self._pool.shutdown()

    def get_on(self, seconds):
        good = len(self.good)
        eventually(lambda: len(self.good) >= good + PROGRESS, seconds=seconds)

    def _buy(self, call, name):
        for n in itertools.count():
            if not self._running:
                return
            key = f"{self._sku}-{name}-{n}"
            while (body := call(key)) is None:
                time.sleep(PAUSE_AFTER_FAILURE_S)
            self.good[key] = body

    def _rest(self, key):
        began = time.monotonic()
        reply = self._stack.process([(self._sku, 1)], **{"Idempotency-Key": key})
        assert time.monotonic() - began < REST_S_MAX, f"answered after {time.monotonic() - began:.1f} s"
        assert reply.status_code in (200, 503, 504), reply.text
        return reply.text if reply.status_code == 200 else self._note(began, reply.text)

    def _grpc(self, key):
        began = time.monotonic()
        request = coordinator_pb2.ProcessOrderRequest(customer_id=1, items=[{"sku": self._sku, "quantity": 1}])
        try:
            reply = self._stub.ProcessOrder(request, metadata=[("idempotency-key", key)], timeout=GRPC_DEADLINE_S)
            return reply.SerializeToString(deterministic=True)
        except grpc.RpcError as error:
            assert error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED), error
            return self._note(began, error.details())

    def _note(self, began, answer):
        self.others.append((began - self._started, time.monotonic() - began, answer))

    def repeat_all(self):
        """Every call that was answered 200, once more."""
        for key, body in self.good.items():
            call = self._rest if "_rest" in key else self._grpc
            assert call(key) == body, key


def leave(server, how):
    if how == "stopped":
        server.stop()
    elif how == "killed":
        server.kill()
    else:  # its connections stay open and nobody answers
        server.process.send_signal(signal.SIGSTOP)


def come_back(server, how):
    if how == "silent":
        server.process.send_signal(signal.SIGCONT)
    else:
        server.start()


def is_not_serving(stack, name):
    try:
        with stack.channel(name) as channel:
            check = channel.unary_unary("/grpc.health.v1.Health/Check")  # bytes in, bytes out
            return check(b"", timeout=2) == NOT_SERVING
    except grpc.RpcError:
        return False  # it does not listen yet


def all_are_disconnected(stack):
    for face, body in DISCONNECTED.items():
        health = stack.get(face, "/health")
        if health.status_code == 200:
            return False
        assert (health.status_code, health.text) == (503, body)
    return True


def expect_away(stack):
    """What those are told who ask now: at once where the server refuses, and never more than that it is away."""
    reply = stack.get("orders", "/orders")
    assert reply.status_code in (503, 504), reply.text
    for name in ("coordinator", "orders", "customers"):
        eventually(lambda: is_not_serving(stack, name), seconds=NOTICED_S_MAX)


@pytest.mark.parametrize("how, seconds", [("stopped", 12), ("killed", 60), ("silent", 15)])
def test_nothing_answered_is_lost_and_all_recover_alone(server, stack, how, seconds):
    stack.start()
    pids = {name: process.pid for name, process in stack.processes.items()}
    sku = stack.new_product("away", available=STOCK)
    callers = Callers(stack, sku)
    try:
        callers.get_on(seconds=30)
        leave(server, how)
        left = time.monotonic()
        eventually(lambda: all_are_disconnected(stack), seconds=NOTICED_S_MAX)
        print(f"\n{how}: unhealthy after {time.monotonic() - left:.1f} s", end="")
        expect_away(stack)
        good = len(callers.good)
        time.sleep(max(0.0, left + seconds - time.monotonic()))
        assert len(callers.good) == good, "answered 200 without a database"
        assert all_are_disconnected(stack)
        come_back(server, how)
        back = time.monotonic()
        eventually(stack.healthy, seconds=RECOVERED_S_MAX)
        print(f"; healthy {time.monotonic() - back:.1f} s after its return", end="")
        callers.get_on(seconds=RECOVERED_S_MAX)
        print(f", {PROGRESS} more orders after {time.monotonic() - back:.1f} s")
    finally:
        callers.stop()
    eventually(lambda: not stack.open_sagas(), seconds=SETTLED_S_MAX)
    # One unit a key, whatever happened to the calls.
    assert stack.counts(sku) == (STOCK - len(callers.good), 0, len(callers.good))
    callers.repeat_all()
    assert stack.counts(sku) == (STOCK - len(callers.good), 0, len(callers.good))
    assert {name: process.poll() for name, process in stack.processes.items()} == dict.fromkeys(SERVICES), "one died"
    assert {name: process.pid for name, process in stack.processes.items()} == pids


def test_a_server_that_is_away_when_all_starts_is_waited_for(server, stack):
    server.stop()
    stack.launch(*SERVICES)
    eventually(lambda: all(stack.answers(face) for face in DISCONNECTED))
    assert all_are_disconnected(stack)
    expect_away(stack)
    time.sleep(3)
    assert all_are_disconnected(stack)
    server.start()
    eventually(stack.healthy, seconds=RECOVERED_S_MAX)
    assert stack.counts("prod-123") == (100, 0, 0)  # the demo data is there before health says so
    assert stack.process([("prod-123", 1)]).status_code == 200
    assert {name: process.poll() for name, process in stack.processes.items()} == dict.fromkeys(SERVICES)
