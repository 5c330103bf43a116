"""How long it takes until all sagas have ended that were in flight when the coordinator was killed."""

import contextlib
import dataclasses
import signal
import subprocess
import time

from counters import Machine, process_cpu_seconds
from lines import Workload
from stack import BIN

START_SECONDS_MAX = 120
SERVING_SECONDS_MAX = 30
END_SECONDS_MAX = 120
ENTERED = "sagamesh_sagas_entered_total"


@contextlib.contextmanager
def stopped(processes):
    """By SIGSTOP, while this lasts."""
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGCONT)


def wait_until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {seconds} s: {what}")
        time.sleep(0.02)
    return time.monotonic()


@dataclasses.dataclass(frozen=True)
class RecoveryLine:
    """So many sagas wait for participants that do not answer when the coordinator is killed with -9. Those answer again
    at once, and the coordinator is started again at once."""

    workload: Workload
    in_flight: int

    @property
    def name(self):
        return f"{self.in_flight} in flight"

    def measure(self, bench):
        stack = bench.stack
        before, compensating, began = self._ended(stack), self._entered(stack, "compensating"), time.monotonic()
        with stopped([stack.processes[name] for name in ("orders", "customers")]):
            subprocess.run([BIN / "bench_load", f"--coordinator={stack.address('coordinator')}",
                            f"--start-sagas={self.in_flight}", *self.workload.sku_flags],
                           check=True, timeout=START_SECONDS_MAX)
            if self._ended(stack) > before:
                raise RuntimeError("sagas ended while their participants were stopped")
            compensating = self._entered(stack, "compensating") - compensating
            stack.kill("coordinator")
        machine, cpu, killed = Machine(), self._cpu_seconds(stack), time.monotonic()
        stack.launch("coordinator")
        serving = wait_until(lambda: stack.is_serving("coordinator"), SERVING_SECONDS_MAX, "the coordinator serves")
        ended = wait_until(lambda: self._ended(stack) >= self.in_flight, END_SECONDS_MAX, "all sagas have ended")
        return {
            "recovery.started_in": killed - began, "recovery.compensating": compensating,
            "recovery.from_kill": ended - killed, "recovery.from_serving": ended - serving,
            "recovery.succeeded": self._entered(stack, "succeeded"),
            "recovery.compensated": self._entered(stack, "compensated"),
            "others": Machine().others_share(machine, self._cpu_seconds(stack) - cpu),
            "ok": self._ended(stack) == self.in_flight}

    def _ended(self, stack):
        return self._entered(stack, "succeeded") + self._entered(stack, "compensated")

    @staticmethod
    def _entered(stack, state):
        return stack.metric("coordinator", ENTERED, state=state)

    @staticmethod
    def _cpu_seconds(stack):
        return sum(process_cpu_seconds(pid) for pid in stack.pids().values())
