"""A process dies exactly between two effects, at each point that it lists (--crash-at): callers who repeat their call are
answered as if nothing had happened, every saga ends, and the stock is what the answers say.
"""

import concurrent.futures
import json
import signal
import subprocess
import time
from typing import Callable, NamedTuple

import pytest

import check as conformance
from answers import PROCESS
from load import AGAIN, PAUSE_AFTER_FAILURE_S, Client
from stack import BIN, Stack, eventually, fault

CALLERS = 4  # at once, so that a batch holds more than one operation
INITIAL_STOCK = 100
DEATH_S_MAX = 30
SETTLE_S_MAX = 60


class Caller:
    """Does one scenario, repeating each call with its key until it is answered."""

    def __init__(self, stack, sku, name):
        self.stack, self.sku, self.name = stack, sku, name
        self.answers = []
        self._calls = []  # each as a function that makes it again, with its answer

    def post(self, face, path, request, expected=200, headers=None):
        def call():
            client = Client(self.stack, face)
            answer = client.post(path, request, f"{self.name}/{path}", headers)
            client.close()
            self.answers.append(answer)
            return answer

        while (answer := call()).status in AGAIN:
            time.sleep(PAUSE_AFTER_FAILURE_S)
        assert answer.status == expected, answer
        self._calls.append((call, answer))
        return answer

    def ask_again(self):
        for call, answer in self._calls:
            again = call()
            assert (again.status, again.body) == (answer.status, answer.body)

    def basket(self):
        return {"customer_id": 1, "items": [{"sku": self.sku, "quantity": 1}]}

    def create_directly(self):
        return json.loads(self.post("orders", "/orders", self.basket()).body)["order_id"]


def buy(caller):
    caller.post("coordinator", PROCESS, caller.basket())


def fail_to_confirm(caller):
    caller.post("coordinator", PROCESS, caller.basket(), expected=400, headers=fault(abort=9))


def confirm_and_take_back(caller):
    """The confirm happens, but is answered by an error: what was sold is taken back."""
    caller.post("coordinator", PROCESS, caller.basket(), expected=400, headers=fault(abort=9, phase="after"))


def buy_directly(caller):
    caller.post("orders", f"/orders/{caller.create_directly()}/confirm", {})


def cancel_directly(caller):
    caller.post("orders", f"/orders/{caller.create_directly()}/cancel", {})


def restock(caller):
    caller.post("customers", f"/products/{caller.sku}/restock", {"quantity": 1})


def create_product(caller):
    caller.post("customers", "/products", {"sku": f"{caller.name}-new", "name": "new", "available": 1})


def create_customer(caller):
    caller.post("customers", "/customers", {"name": caller.name})


class Case(NamedTuple):
    service: str
    point: str
    scenario: Callable
    taken: int  # units of stock that a caller takes for good

    def __str__(self):
        return f"{self.service}-{self.point.replace('/', '-')}-{self.scenario.__name__}"


CASES = [
    Case("orders", "pending", buy_directly, 1),
    Case("orders", "reserved-direct", buy_directly, 1),
    Case("orders", "reserved", buy, 1),
    Case("orders", "committed", buy, 1),
    Case("orders", "committed", buy_directly, 1),
    Case("orders", "cancelling", fail_to_confirm, 0),
    Case("orders", "cancelling", cancel_directly, 0),
    Case("orders", "released", fail_to_confirm, 0),
    Case("orders", "released", cancel_directly, 0),
    Case("coordinator", "started", buy, 1),
    Case("coordinator", "step-replied/create_order", buy, 1),
    Case("coordinator", "step-replied/confirm_order", buy, 1),
    Case("coordinator", "decided", fail_to_confirm, 0),
    Case("coordinator", "compensated", fail_to_confirm, 0),
    Case("coordinator", "final", buy, 1),
    Case("coordinator", "final", fail_to_confirm, 0),
    *[Case("customers", f"{side}-commit/{method}", scenario, taken)
      for side in ("before", "after")
      for method, scenario, taken in [("reserve", buy, 1), ("commit", buy, 1), ("release", fail_to_confirm, 0),
                                      ("release", confirm_and_take_back, 0), ("restock", restock, -1),
                                      ("create-product", create_product, 0), ("create-customer", create_customer, 0)]],
]


class CrashWindows:
    def __init__(self, directory):
        self.directory = directory
        self.stack = Stack(directory).start()
        self.answers = []

    def start_armed(self, service, point):
        self.stack.kill(service)
        self.stack.flags[service] = [f"--crash-at={point}"]
        self.stack.start(service)

    def restart_when_dead(self, service, point):
        died = self.stack.processes.pop(service).wait(timeout=DEATH_S_MAX)
        assert died == -signal.SIGKILL
        log = (self.directory / f"{service}.log").read_text()
        assert f"crash point {point}: killed" in log.splitlines()[-1]
        del self.stack.flags[service]
        self.stack.start(service)

    def run(self, case):
        sku = self.stack.new_product(f"sku-{case}", available=INITIAL_STOCK)
        self.start_armed(case.service, case.point)
        callers = [Caller(self.stack, sku, f"{case}-{i}") for i in range(CALLERS)]
        with concurrent.futures.ThreadPoolExecutor(CALLERS) as pool:
            ends = [pool.submit(case.scenario, caller) for caller in callers]
            self.restart_when_dead(case.service, case.point)
            for end in ends:
                end.result()
        eventually(lambda: not self.stack.open_sagas(), seconds=SETTLE_S_MAX)
        for caller in callers:
            caller.ask_again()
            self.answers += caller.answers
        taken = CALLERS * case.taken
        assert self.stack.counts(sku) == (INITIAL_STOCK - taken, 0, max(taken, 0))
        self.check()

    def check(self):
        _, violations = conformance.check(**self.stack.databases, answers=self.answers)
        assert not violations, "\n".join(f"{number}: {what}" for number, what in violations[:20])


@pytest.fixture(scope="module")
def windows(tmp_path_factory):
    windows = CrashWindows(tmp_path_factory.mktemp("crash-windows"))
    yield windows
    windows.stack.stop()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_crash_exactly_there_loses_nothing_and_repeats_nothing(windows, case):
    windows.run(case)


@pytest.mark.parametrize("service", ["orders", "coordinator", "customers"])
def test_every_point_that_a_service_lists_has_its_case(service):
    refused = subprocess.run([BIN / service, "--enable-fault-injection", "--crash-at=?"], capture_output=True, text=True,
                             timeout=10)
    assert refused.returncode == 1
    listed = refused.stderr.strip().split("there are ")[1].split(", ")
    assert set(listed) == {case.point for case in CASES if case.service == service}
