"""Nothing answered is lost, nothing is applied twice, whatever crashes."""

import collections
import concurrent.futures
import threading
import time

import requests
import pytest

from stack import CONFIRM, eventually, fault
from stubs import coordinator_pb2


def settle(stack):
    """Waits until every saga has ended."""
    eventually(stack.healthy, seconds=60)
    eventually(lambda: not stack.open_sagas(), seconds=60, every=0.2)


class Load:
    """Clients that buy one unit each, every one with an explicit key, and remember what they were told."""

    def __init__(self, stack, skus, clients):
        self.stack, self.skus = stack, skus
        self.answers = {}  # key -> (status, body)
        self.running = True
        self.threads = [threading.Thread(target=self.client, args=(i,)) for i in range(clients)]
        for thread in self.threads:
            thread.start()

    def client(self, number):
        session = requests.Session()
        n = 0
        while self.running:
            n += 1
            key = f"client-{number}-{n}"
            body = {"customer_id": 1, "items": [{"sku": self.skus[n % len(self.skus)], "quantity": 1}]}
            try:
                reply = session.post(self.stack.url("coordinator", "/dev/orders/process"), json=body,
                                     headers={"Idempotency-Key": key}, timeout=40)
                self.answers[key] = (reply.status_code, reply.content, body)
            except requests.RequestException:
                self.answers[key] = (0, b"", body)

    def stop(self):
        self.running = False
        for thread in self.threads:
            thread.join()


def check(stack, skus, answers, initial):
    """Every 200 is there, CONFIRMED, with the same bytes; the stock is exactly what the confirmed orders took."""
    for key, (status, content, body) in answers.items():
        if status == 200:
            again = stack.post("coordinator", "/dev/orders/process", json=body, headers={"Idempotency-Key": key})
            assert again.status_code == 200 and again.content == content
            assert again.headers["Idempotent-Replayed"] == "true"
    sold = collections.Counter()
    token = ""
    while True:
        page = stack.get("orders", f"/orders?page_size=500&page_token={token}").json()
        for order in page["orders"]:
            assert order["status"] in ("CONFIRMED", "CANCELLED"), order
            if order["status"] == "CONFIRMED":
                for item in order["items"]:
                    sold[item["sku"]] += item["quantity"]
        token = page["next_page_token"]
        if not token:
            break
    for sku in skus:
        assert stack.counts(sku) == (initial - sold[sku], 0, sold[sku])


@pytest.mark.parametrize("victim", ["customers", "orders", "coordinator", "gateway"])
def test_kill_9_under_load_loses_nothing(own_stack, victim):
    stack = own_stack()
    skus = [stack.new_product(f"kill-{i}", available=100_000) for i in range(3)]
    load = Load(stack, skus, clients=32)
    eventually(lambda: sum(1 for a in list(load.answers.values()) if a[0] == 200) > 100)
    stack.kill(victim)
    time.sleep(0.5)
    stack.start(victim)
    before = len(load.answers)
    eventually(lambda: len(load.answers) > before + 100)
    load.stop()
    settle(stack)
    check(stack, skus, load.answers, 100_000)


def test_a_thousand_orders_on_stock_for_six_hundred_sell_exactly_that(stack):
    skus = [stack.new_product(f"rush-{time.monotonic_ns()}-{i}", available=200) for i in range(3)]

    def buy(n):
        return stack.process([(skus[n % 3], 1)], **{"Idempotency-Key": f"{skus[0]}-{n}"}).status_code

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        codes = collections.Counter(pool.map(buy, range(1000)))
    assert codes == {200: 600, 400: 400}
    for sku in skus:
        assert stack.counts(sku) == (0, 0, 200)


def test_a_participant_that_is_down_is_a_503_and_the_saga_compensates_when_it_is_back(own_stack):
    stack = own_stack()
    stack.kill("customers")
    started = time.monotonic()
    key = {"Idempotency-Key": "down"}
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        keyed = pool.submit(stack.process, [("prod-123", 2)], **key)
        reply = stack.process([("prod-123", 1)])
        assert keyed.result().status_code == 503
    assert reply.status_code == 503, reply.text
    assert time.monotonic() - started < 25
    assert reply.headers["Saga-State"] == "COMPENSATING"
    assert stack.get("customers", "/health").status_code == 503
    stack.start("customers")
    settle(stack)
    assert stack.counts("prod-123") == (100, 0, 0)
    assert stack.process([("prod-123", 1)]).status_code == 200
    # A transient cause: the key is free again, for the same payload only.
    assert stack.process([("prod-123", 3)], **key).status_code == 422
    again = stack.process([("prod-123", 2)], **key)
    assert again.status_code == 200 and "Idempotent-Replayed" not in again.headers
    assert stack.counts("prod-123") == (97, 0, 3)


def test_a_confirm_whose_reply_was_lost_ends_cancelled(stack, sku):
    reply = stack.process([(sku, 3)], **fault(CONFIRM, abort=14, phase="after"))
    assert reply.status_code == 503
    info = next(d for d in reply.json()["details"] if "metadata" in d)
    saga = stack.get("coordinator", f"/v1/sagas/{info['metadata']['saga_id']}").json()
    assert saga["state"] == "COMPENSATED"
    assert stack.counts(sku) == (100, 0, 0)


def test_a_restart_keeps_answers_and_stock(own_stack):
    stack = own_stack()
    first = stack.process([("prod-123", 1)])
    for name in ("gateway", "coordinator", "orders", "customers"):
        assert stack.terminate(name) == 0
    stack.start()
    again = stack.process([("prod-123", 1)])
    assert again.content == first.content and again.headers["Idempotent-Replayed"] == "true"
    assert stack.counts("prod-123") == (99, 0, 1)


def test_sigterm_lets_accepted_work_finish(own_stack):
    stack = own_stack()
    stub = stack.coordinator()
    request = coordinator_pb2.ProcessOrderRequest(customer_id=1, items=[{"sku": "prod-123", "quantity": 1}])
    call = stub.ProcessOrder.future(request, metadata=list(fault(CONFIRM, delay_ms=500).items()), timeout=30)
    eventually(lambda: stack.open_sagas())
    assert stack.terminate("coordinator") == 0
    assert call.result().status == 1  # well within the grace
    stack.start("coordinator")
    settle(stack)
    assert stack.counts("prod-123") == (99, 0, 1)


def test_a_second_process_on_the_same_file_refuses_to_start_and_names_the_holder(own_stack, tmp_path):
    import subprocess
    stack = own_stack()
    command = [a if not a.startswith("--listen") and not a.startswith("--metrics") else a.split("=")[0] + "=127.0.0.1:0"
               for a in stack.command("orders")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert result.returncode != 0
    assert str(stack.processes["orders"].pid) in result.stderr
