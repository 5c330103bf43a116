"""The lines of the report, each of which is measured once a run: the floors, the chain, and loads."""

import dataclasses
import json
import os
import shutil
import subprocess
import time

from counters import Machine, Snapshot, children_cpu_seconds, process_cpu_seconds
from measured import database_urls, own_databases
from stack import BIN, Server

FLOOR_SECONDS_MAX = 10
SEED_SECONDS_MAX = 300
STORE_SECONDS_MAX = 3600
REPLAYED = 2000
# Of an open loop; what is due while so many are in flight waits.
IN_FLIGHT_MAX = 4096
# How long a program may take longer than it was told to measure.
PROGRAM_SECONDS_MAX = 120


def password_environment():
    return {**os.environ, "SAGAMESH_DB_PASSWORD": Server.PASSWORD}


@dataclasses.dataclass(frozen=True)
class Workload:
    """What is bought. `replayed`: so many purchases are made, and then only asked for again."""

    name: str
    skus: int
    replayed: int = 0

    @property
    def sku_flags(self):
        return [f"--sku-prefix={self.name}-", f"--skus={self.skus}"]


def store(stack, sagas, workload):
    """Fills the databases of a stack that does not run yet with so many sagas that have ended."""
    began = time.monotonic()
    subprocess.run([BIN / "bench_preload", f"--db={stack.database_urls()}", f"--sagas={sagas}", *workload.sku_flags],
                   check=True, timeout=STORE_SECONDS_MAX, env=password_environment())
    print(f"stored {sagas} sagas in {time.monotonic() - began:.0f} s", flush=True)


def seed(stack, workload):
    """Creates its products, unless they are there."""
    subprocess.run([BIN / "bench_load", "--seed-products", f"--customers={stack.address('customers')}",
                    *workload.sku_flags], check=True, timeout=SEED_SECONDS_MAX)


@dataclasses.dataclass(frozen=True)
class FloorLine:
    """What the databases take by hand-made SQL, in databases of their own; `chain`: one saga after the other."""

    name: str
    skus: int
    chain: bool = False

    def measure(self, bench):
        directory = bench.directory / "floor"
        directory.mkdir()
        databases = own_databases(bench.server)
        if databases is not None:
            databases.create_databases()
        try:
            return {"ok": True, **self._run(bench, database_urls(directory, databases))}
        finally:
            shutil.rmtree(directory)
            if databases is not None:
                databases.drop_databases()

    def _run(self, bench, url):
        seconds = min(bench.options.seconds, FLOOR_SECONDS_MAX)
        machine, own = Machine(), self._cpu_seconds(bench)
        output = subprocess.run(
            [BIN / "bench_floor", f"--db={url}", f"--skus={self.skus}", f"--warmup={bench.options.warmup}s",
             f"--duration={seconds}s", *(["--chain"] if self.chain else [])],
            check=True, stdout=subprocess.PIPE, text=True, timeout=seconds + bench.options.warmup + PROGRAM_SECONDS_MAX,
            env=password_environment()).stdout
        return {**json.loads(output), "others": Machine().others_share(machine, self._cpu_seconds(bench) - own)}

    @staticmethod
    def _cpu_seconds(bench):
        serving = 0 if bench.server is None else process_cpu_seconds(bench.server.process.pid)
        return children_cpu_seconds() + serving


@dataclasses.dataclass(frozen=True)
class LoadLine:
    """Purchases by so many callers, or as many a second, by REST or by gRPC."""

    workload: Workload
    rest: bool
    callers: int | None = None
    rate: int | None = None

    @property
    def name(self):
        by = f"{self.callers} callers" if self.callers else f"{self.rate} a second"
        return f"{self.workload.name}{' by REST' if self.rest else ''}, {by}"

    def measure(self, bench):
        values = drive([BIN / "bench_load", *self._flags(bench)], bench.stack)
        return {**values, "callers": self.callers, "rate": self.rate, "floor_line": f"floor {self.workload.name}",
                "ok": values["ok"] and not (self.workload.replayed and values["started"])}

    def _flags(self, bench):
        target = "--gateway=" + bench.stack.address("rest_coordinator") if self.rest else (
            "--coordinator=" + bench.stack.address("coordinator"))
        loop = [f"--callers={self.callers}"] if self.callers else [
            f"--rate={self.rate}", f"--callers={IN_FLIGHT_MAX}", f"--even={bench.options.arrivals == 'even'}"]
        return [target, *self.workload.sku_flags, f"--replayed={self.workload.replayed}", *loop,
                f"--warmup={bench.options.warmup}s", f"--duration={bench.options.seconds}s"]


@dataclasses.dataclass(frozen=True)
class PeerLine:
    """Sagas of a peer's stack by so many callers."""

    peer: object
    workload: Workload
    callers: int

    @property
    def name(self):
        return f"{self.workload.name} by {self.peer.name}, {self.callers} callers"

    def measure(self, bench):
        command = self.peer.load_command(self.workload, self.callers, bench.options)
        return {**drive(command, self.peer, self.peer.environment()), "callers": self.callers,
                "floor_line": f"floor {self.workload.name}"}


def drive(command, stack, environment=None):
    """What a load driver counts, with what `stack` uses and does meanwhile."""
    driver = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True, env=environment)
    try:
        wait_for_line(driver, "measuring")
        before = Snapshot(stack)
        wait_for_line(driver, "measured")
        after = Snapshot(stack)
        result = json.loads(wait_for_line(driver, "result"))
        code = driver.wait(timeout=PROGRAM_SECONDS_MAX)
    finally:
        if driver.poll() is None:
            driver.kill()
            driver.wait()
    values = after.values_since(before, max(result["sagas"], 1), result.pop("driver_cpu_seconds"))
    return {**result, **values, "sagas_per_second": result["sagas"] / result["seconds"],
            "ok": code == 0 and result["sagas"] > 0}


def wait_for_line(driver, word):
    """The rest of the line that begins so."""
    for line in driver.stdout:
        if line.startswith(word):
            return line[len(word):]
    raise RuntimeError(f"the load driver ended (code {driver.wait()}) before it said {word!r}")


def workloads_of(options):
    known = {"spread": Workload("spread", options.skus), "hot": Workload("hot", 1),
             "replay": Workload("replay", options.skus, replayed=REPLAYED)}
    return [known[name] for name in options.workloads]


def lines_of(options, workloads, peers):
    """What one run measures, in this order, if it is about loads: each of them at every peer too."""
    floors = [FloorLine(f"floor {workload.name}", workload.skus) for workload in workloads if not workload.replayed]
    loops = [{"rate": rate} for rate in options.rate] or [{"callers": callers} for callers in options.callers]
    chain = [FloorLine("chain", options.skus, chain=True)] if floors and {"callers": 1} in loops else []
    loads = [line for workload in workloads for loop in loops
             for line in (LoadLine(workload, options.rest, **loop), *(PeerLine(peer, workload, **loop) for peer in peers))]
    return [*floors, *chain, *loads]
