"""Participants that are down, replies that are lost, restarts. tests/chaos kills processes under load."""

import collections
import concurrent.futures
import subprocess
import time

import pytest

from stack import CONFIRM, error_info_of, eventually, fault
from stubs import coordinator_pb2


def settle(stack):
    """Waits until every saga has ended."""
    eventually(stack.healthy, seconds=60)
    eventually(lambda: not stack.open_sagas(), seconds=60, every=0.2)


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
    saga = stack.get("coordinator", f"/v1/sagas/{error_info_of(reply)['metadata']['saga_id']}").json()
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
    eventually(stack.open_sagas)
    assert stack.terminate("coordinator") == 0
    assert call.result().status == 1  # well within the grace
    stack.start("coordinator")
    settle(stack)
    assert stack.counts("prod-123") == (99, 0, 1)


@pytest.mark.files
def test_a_second_process_on_the_same_file_refuses_to_start_and_names_the_holder(own_stack, tmp_path):
    stack = own_stack()
    command = [a if not a.startswith("--listen") and not a.startswith("--metrics") else a.split("=")[0] + "=127.0.0.1:0"
               for a in stack.command("orders")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert result.returncode != 0
    assert str(stack.processes["orders"].pid) in result.stderr
