"""A Sagamesh that is measured: its processes on loopback, over files or over a private database server."""

import contextlib
import pathlib
import sys
import time

import grpc

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / folder) for folder in ("e2e", "databases")]

import servers  # noqa: E402
from stack import DATABASES, Server, Stack  # noqa: E402

HEALTHY_SECONDS_MAX = 60
# HealthCheckResponse{status: SERVING} on the wire.
HEALTH_SERVING = b"\x08\x01"
# What a commit costs, and what is kept in memory: the server's own defaults, unless they are not durable.
SETTINGS = ("innodb_flush_log_at_trx_commit", "log_bin", "sync_binlog", "innodb_flush_method", "innodb_doublewrite",
            "innodb_buffer_pool_size", "innodb_log_file_size", "innodb_redo_log_capacity")
KINDS = {kind.name: kind for kind in servers.KINDS}


@contextlib.contextmanager
def engine(name, directory, buffer_pool=None):
    """What the databases are on: a servers.Server while this lasts, or None for files. `buffer_pool`: as the server's own
    setting has it; None: as it is made."""
    if name == "sqlite":
        yield None
        return
    if not KINDS[name].installed():
        raise RuntimeError(f"{name} is not installed")
    directory.mkdir()
    server = KINDS[name](directory)
    if buffer_pool:
        server.flags = (*server.flags, f"--innodb-buffer-pool-size={buffer_pool}")
    try:
        yield server.initialize().start()
    finally:
        server.stop()


def describe(server):
    """Its version, and the settings of its own that a result depends on."""
    names = ", ".join(f"'{name}'" for name in SETTINGS)
    found = dict(server.query(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({names})"))
    [[version]] = server.query("SELECT VERSION()")
    return f"{server.name} {version}: " + ", ".join(f"{name}={found[name]}" for name in SETTINGS if name in found)


def database_urls(directory, databases):
    """With {} in the place of a service's name. `databases`: as own_databases."""
    return f"sqlite:{directory}/{{}}.db" if databases is None else databases.url("{}")


def own_databases(server):
    """Databases of one's own, to create and to drop; None: files."""
    return None if server is None else Server(f"127.0.0.1:{server.port}")


class MeasuredStack(Stack):
    """The services without faults, and the gateway only if clients speak REST."""

    metered_names = DATABASES  # those whose metrics are read

    def __init__(self, directory, server, rest):
        super().__init__(directory, faults=False, flags={"coordinator": ["--replica=auto"]}, server=own_databases(server))
        self.measured_server = server
        self.measured_names = [*DATABASES, *(["gateway"] if rest else [])]

    def start(self):
        self.launch(*self.measured_names)
        deadline = time.monotonic() + HEALTHY_SECONDS_MAX
        while not all(self.is_serving(name) for name in self.measured_names):
            for name, process in self.processes.items():
                if process.poll() is not None:
                    raise RuntimeError(f"{name} ended: {(self.directory / f'{name}.log').read_text()[-2000:]}")
            if time.monotonic() > deadline:
                raise RuntimeError("the stack did not come up")
            time.sleep(0.05)
        return self

    def database_urls(self):
        return database_urls(self.directory, self.server)

    def is_serving(self, name):
        if name == "gateway":
            return self.healthy()
        with self.channel(name) as channel:
            check = channel.unary_unary("/grpc.health.v1.Health/Check")  # bytes in, bytes out
            try:
                return check(b"", timeout=1) == HEALTH_SERVING
            except grpc.RpcError:
                return False

    def pids(self):
        """Of each process, the database server's too."""
        pids = {name: process.pid for name, process in self.processes.items()}
        if self.measured_server is not None:
            pids["server"] = self.measured_server.process.pid
        return pids
