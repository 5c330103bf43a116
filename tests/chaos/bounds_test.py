"""What the system holds on to stays bounded: under load with failures, at rest, and while 2,000 sagas wait for a
participant that does not answer.

Memory, file descriptors, threads and queue depths are read each second; the last third of the time is compared with the
second one, the first third is the warm-up. The default is short; `--minutes=10` sees smaller leaks.
"""

import asyncio
import concurrent.futures
import os
import statistics
import time
from typing import NamedTuple

import grpc
import pytest

import check as conformance
from load import CLIENTS, Load
from rounds import stopped
from stack import DATABASES, SERVICES, Stack, eventually, fault
from stubs import coordinator_grpc, coordinator_pb2

STOCK = 1_000_000_000
TOO_MANY = 2_000_000_000
SAMPLE_S = 1.0
SETTLE_S_MAX = 60

# How much more the last third may hold than the second one: a share of it and a constant.
GROWTH = {"rss_mb": (0.03, 3), "fds": (0, 2), "threads": (0, 2), "queued": (0.5, 16)}
GO_RSS_MB = (0.15, 8)  # a garbage collector's ups and downs

REST_S = 10
STATEMENTS_PER_S_MAX = 2

WAITING = 2_000
WAITING_S_MAX = 90
WAITING_HOLD_S = 1
THREADS_BELOW = 40
RSS_MB_BELOW = 300


class Sample(NamedTuple):
    rss_mb: float
    fds: int
    threads: int
    queued: float


def take_sample(stack, name):
    pid = stack.processes[name].pid
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        fields = dict(line.split(":", 1) for line in status)
    fds = len(os.listdir(f"/proc/{pid}/fd"))
    queued = queue_depth(stack, name) if name in DATABASES else 0
    return Sample(int(fields["VmRSS"].split()[0]) / 1024, fds, int(fields["Threads"]), queued)


def queue_depth(stack, name):
    return stack.metric(name, "sagamesh_batch_queue_depth")


def statements(stack):
    return {name: stack.metric(name, "sagamesh_db_statements_total") for name in DATABASES}


class FailingTenth(Load):
    """Of twenty orders one asks for more than there is, and one fails when it is confirmed."""

    def _order(self, n):
        request = {"customer_id": 1, "items": [{"sku": self._skus[n % len(self._skus)], "quantity": 1 + n % 3}]}
        if n % 20 == 5:
            request["items"][0]["quantity"] = TOO_MANY
        return request, fault(abort=13) if n % 20 == 10 else None


class Bounds:
    def __init__(self, directory):
        self.stack = Stack(directory).start()
        self.skus = [self.stack.new_product(f"bounds-{i}", available=STOCK) for i in range(3)]
        self.answers = []

    def sample_under_load(self, seconds):
        """A list of samples for each process."""
        samples = {name: [] for name in SERVICES}
        load = FailingTenth(self.stack, self.skus, "load")
        try:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                time.sleep(SAMPLE_S)
                for name in SERVICES:
                    samples[name].append(take_sample(self.stack, name))
        finally:
            load.stop()
        self.answers += load.answers
        return samples

    def in_flight(self):
        return self.stack.metric("coordinator", "sagamesh_sagas_inflight")

    def wait_for_the_end(self):
        eventually(lambda: not self.stack.open_sagas(), seconds=SETTLE_S_MAX)
        eventually(lambda: not any(queue_depth(self.stack, name) for name in DATABASES), seconds=10)
        eventually(lambda: self.in_flight() == 0, seconds=10)

    def check(self):
        state, violations = conformance.check(**self.stack.databases, answers=self.answers)
        assert not violations, "\n".join(f"{number}: {what}" for number, what in violations[:20])
        return state


@pytest.fixture(scope="module")
def bounds(tmp_path_factory):
    bounds = Bounds(tmp_path_factory.mktemp("bounds"))
    yield bounds
    bounds.stack.stop()


def _thirds(samples, field):
    """The means of the second and of the last third."""
    values = [getattr(sample, field) for sample in samples]
    third = len(values) // 3
    return statistics.mean(values[third:2 * third]), statistics.mean(values[2 * third:])


def test_under_load_with_failures_nothing_grows(bounds, request):
    seconds = request.config.getoption("--minutes") * 60
    samples = bounds.sample_under_load(seconds)
    good = sum(1 for answer in bounds.answers if answer.status == 200)
    print(f"\n{seconds:.0f} s of load by {CLIENTS} clients: {len(bounds.answers)} answers, {good} of them good\n"
          f"{'':12} {'':8} {'2nd third':>10} {'last third':>10} {'most':>8}")
    grown = []
    for name in SERVICES:
        for field, (share, constant) in GROWTH.items():
            if name == "gateway" and field == "rss_mb":
                share, constant = GO_RSS_MB
            before, after = _thirds(samples[name], field)
            most = max(getattr(sample, field) for sample in samples[name])
            print(f"{name:12} {field:8} {before:10.1f} {after:10.1f} {most:8.1f}")
            if after > before * (1 + share) + constant:
                grown.append(f"{name}: {field} grew from {before:.1f} to {after:.1f}")
    assert not grown, "; ".join(grown)
    bounds.wait_for_the_end()
    bounds.check()


def test_at_rest_a_process_asks_its_database_at_most_twice_a_second(bounds):
    bounds.wait_for_the_end()
    time.sleep(SAMPLE_S)  # what came last may be looked for once more
    before, began = statements(bounds.stack), time.monotonic()
    time.sleep(REST_S)
    after, seconds = statements(bounds.stack), time.monotonic() - began
    # What is asked every second or two may fall into the interval at both of its ends.
    rates = {name: (after[name] - before[name]) / seconds for name in DATABASES}
    print("\nstatements a second at rest: " + ", ".join(f"{name} {rate:.2f}" for name, rate in rates.items()))
    for name, rate in rates.items():
        assert 0 < rate <= STATEMENTS_PER_S_MAX * (1 + 1 / REST_S), f"{name}: {rate:.2f} statements a second"


def _buy_at_once(stack, sku, number):
    """As many callers that wait for their saga; returns how many sagas ended well."""

    async def buy():
        request = coordinator_pb2.ProcessOrderRequest(customer_id=1, items=[{"sku": sku, "quantity": 1}])
        async with grpc.aio.insecure_channel(stack.address("coordinator")) as channel:
            stub = coordinator_grpc.CoordinatorServiceStub(channel)
            calls = [stub.ProcessOrder(request, metadata=(("idempotency-key", f"waiting-{n}"),), timeout=WAITING_S_MAX)
                     for n in range(number)]
            return await asyncio.gather(*calls, return_exceptions=True)

    return sum(1 for answer in asyncio.run(buy()) if not isinstance(answer, BaseException))


def test_2000_sagas_that_wait_for_a_silent_participant_cost_memory_and_no_threads(bounds):
    stack = bounds.stack
    before = take_sample(stack, "coordinator")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with stopped(stack.processes["orders"]):
            buying = pool.submit(_buy_at_once, stack, bounds.skus[0], WAITING)
            began = time.monotonic()
            eventually(lambda: bounds.in_flight() >= WAITING)
            seconds = time.monotonic() - began
            held = []
            while time.monotonic() < began + seconds + WAITING_HOLD_S:
                held.append(take_sample(stack, "coordinator"))
                assert bounds.in_flight() >= WAITING
        well = buying.result()
    threads, rss_mb = max(sample.threads for sample in held), max(sample.rss_mb for sample in held)
    bounds.wait_for_the_end()
    state = bounds.check()
    print(f"\n{WAITING} sagas in flight after {seconds:.1f} s: {threads} threads and {rss_mb:.0f} MB "
          f"(before: {before.threads} and {before.rss_mb:.0f} MB); {well} were confirmed in the end")
    assert threads < THREADS_BELOW and rss_mb < RSS_MB_BELOW
    waited = [saga for saga in state.sagas.values() if saga.key[3].startswith("waiting-")]
    assert len(waited) == WAITING
    assert {saga.state for saga in waited} <= {"SUCCEEDED", "COMPENSATED"}
