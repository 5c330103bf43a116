"""DTM as a peer: its own server, and participants of the order saga (peers/dtm), on the database server of a Sagamesh.

Its processes have the names of those that do the same in a Sagamesh: DTM's server is the coordinator.
"""

import contextlib
import os
import pathlib
import re
import subprocess

import grpc

from measured import ROOT, own_databases
from ports import free_ports
from stack import BIN, Server

BUILT = BIN.parent / "peers" / "dtm"
SCHEMA = ROOT / "bench" / "peers" / "dtm" / "schema.sql"
READY_SECONDS_MAX = 30
STOP_SECONDS_MAX = 30
UNITS_EACH = 1_000_000_000
# Two DTMs beside a Sagamesh; a server's own are 151, and DTM may take 500 by default.
SERVER_CONNECTIONS = 1500
# By the name of the stack, the environment of DTM's server (its conf.sample.yml), and of Go.
SETTINGS = {
    "DTM": {"LOG_LEVEL": "info"},  # its default
    "DTM tuned": {"LOG_LEVEL": "error", "STORE_MAX_OPEN_CONNS": "128", "STORE_MAX_IDLE_CONNS": "128",
                  "UPDATE_BRANCH_SYNC": "0", "UPDATE_BRANCH_ASYNC_GOROUTINE_NUM": "2", "GOGC": "400"},
}


@contextlib.contextmanager
def dtm_stacks(directory, server, workloads):
    """One for each of SETTINGS, running while this lasts."""
    if not (BUILT / "dtm").exists():
        raise RuntimeError("DTM is not built: bench/peers/dtm/build.sh does it, and scripts/bench without --no-build")
    with contextlib.ExitStack() as running:
        stacks = []
        for name, settings in SETTINGS.items():
            own = directory / name.replace(" ", "-")
            own.mkdir()
            stacks.append(DtmStack(name, own, server, settings))
            running.callback(stacks[-1].stop)
            stacks[-1].start(workloads)
        yield stacks


class DtmStack:
    """start() once; its databases are gone after stop()."""

    metered_names = ()  # its metrics are not read

    def __init__(self, name, directory, server, settings):
        self.name = name
        self.directory = pathlib.Path(directory)
        self.measured_server = server
        self.settings = settings
        self.databases = own_databases(server)
        self.port = dict(zip(("coordinator", "orders", "customers", "http", "json_rpc"), free_ports(5)))
        self.processes = {}

    def start(self, workloads):
        self.databases.create_databases()
        self._create_tables()
        for workload in workloads:
            self._create_products(workload)
        bench_dtm = BUILT / "bench_dtm"
        self._launch("customers", bench_dtm, "customers", f"--listen={self.address('customers')}",
                     f"--db={self.databases.url('customers')}")
        self._launch("orders", bench_dtm, "orders", f"--listen={self.address('orders')}",
                     f"--db={self.databases.url('orders')}", f"--customers={self.address('customers')}")
        self._launch("coordinator", BUILT / "dtm", **self._server_settings())
        for name in self.processes:
            self._wait_ready(name)

    def address(self, name):
        return f"127.0.0.1:{self.port[name]}"

    def load_command(self, workload, callers, options):
        return [BUILT / "bench_dtm", "load", f"--dtm={self.address('coordinator')}", f"--orders={self.address('orders')}",
                *workload.sku_flags, f"--callers={callers}", f"--warmup={options.warmup}s",
                f"--duration={options.seconds}s"]

    def pids(self):
        return {**{name: process.pid for name, process in self.processes.items()},
                "server": self.measured_server.process.pid}

    def stop(self):
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.wait(timeout=STOP_SECONDS_MAX)
        self.databases.drop_databases()

    def _database(self, name):
        return f"{self.databases.prefix}_{name}"

    def _create_tables(self):
        """DTM's from its own schema: its journal, and a barrier in each participant's database."""
        journal, barrier = ((BUILT / "sqls" / f"{file}.mysql.sql").read_text()
                            for file in ("dtmsvr.storage", "dtmcli.barrier"))
        participants = ("orders", "customers")
        schema = [re.sub(r"\bdtm\b", self._database("coordinator"), journal),
                  *(re.sub(r"\bdtm_barrier\b", self._database(name), barrier) for name in participants),
                  SCHEMA.read_text().format(**{name: self._database(name) for name in participants})]
        with self.measured_server.administrator() as connection:
            cursor = connection.cursor()
            cursor.execute(f"SET GLOBAL max_connections = {SERVER_CONNECTIONS}")
            for statement in "".join(schema).split(";"):
                if statement.strip():
                    cursor.execute(statement)

    def _create_products(self, workload):
        with self.measured_server.administrator() as connection:
            connection.cursor().executemany(
                f"INSERT INTO {self._database('customers')}.products VALUES (%s, '', 1999, %s, 0, 0)",
                [(f"{workload.name}-{number}", UNITS_EACH) for number in range(workload.skus)])

    @staticmethod
    def environment(**more):
        """Of its processes. DTM's libraries log each call unless they are told not to."""
        return {**os.environ, "SAGAMESH_DB_PASSWORD": Server.PASSWORD, "LOG_LEVEL": "error", **more}

    def _server_settings(self):
        host, port = self.databases.address.split(":")
        return {"STORE_DRIVER": "mysql", "STORE_HOST": host, "STORE_PORT": port, "STORE_USER": Server.USER,
                "STORE_PASSWORD": Server.PASSWORD, "STORE_DB": self._database("coordinator"),
                "GRPC_PORT": str(self.port["coordinator"]), "HTTP_PORT": str(self.port["http"]),
                "JSON_RPC_PORT": str(self.port["json_rpc"]), **self.settings}

    def _launch(self, name, *command, **environment):
        with open(self.directory / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen(command, stdout=log, stderr=log,
                                                    env=self.environment(**environment))

    def _wait_ready(self, name):
        with grpc.insecure_channel(self.address(name)) as channel:
            try:
                grpc.channel_ready_future(channel).result(timeout=READY_SECONDS_MAX)
            except grpc.FutureTimeoutError:
                log = (self.directory / f"{name}.log").read_text()[-2000:]
                raise RuntimeError(f"{self.name}: {name} does not serve:\n{log}") from None
