"""Layer 1 of idempotency: every row of the table in docs/semantics.md."""

import concurrent.futures

import grpc
import pytest

from stack import CONFIRM, error_info_of, eventually, fault
from stubs import coordinator_pb2, error_info, reason


def burst(function, count):
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda _: function(), range(count)))


def test_a_hundred_concurrent_duplicates_have_one_effect_and_equal_answers(stack, sku):
    started = stack.metric("coordinator", "sagamesh_saga_requests_total", outcome="started")
    replies = burst(lambda: stack.process([(sku, 2)]), 100)
    assert {r.status_code for r in replies} == {200}
    assert len({r.content for r in replies}) == 1
    assert stack.counts(sku) == (98, 0, 2)
    assert stack.metric("coordinator", "sagamesh_saga_requests_total", outcome="started") == started + 1


def test_concurrent_duplicates_of_a_failing_saga_get_equal_answers(stack, sku):
    headers = fault(CONFIRM, abort=9, delay_ms=300)
    replies = burst(lambda: stack.process([(sku, 2)], **headers, **{"Idempotency-Key": sku}), 20)
    assert {r.status_code for r in replies} == {400}
    assert len({r.content for r in replies}) == 1
    assert stack.counts(sku) == (100, 0, 0)


def test_items_in_another_order_or_split_are_the_same_basket(stack, sku):
    other = stack.new_product(sku + "-b")
    first = stack.process([(sku, 3), (other, 1)])
    assert first.status_code == 200
    assert stack.process([(other, 1), (sku, 3)]).content == first.content
    assert stack.process([(sku, 1), (other, 1), (sku, 2)]).content == first.content
    assert stack.counts(sku) == (97, 0, 3)


def test_an_explicit_key_with_another_payload_is_refused_and_has_no_effect(stack, sku):
    key = {"Idempotency-Key": sku}
    first = stack.process([(sku, 1)], **key)
    reply = stack.process([(sku, 2)], **key)
    assert reply.status_code == 422
    assert reply.json()["code"] == 3
    assert error_info_of(reply)["reason"] == "IDEMPOTENCY_KEY_REUSED"
    assert stack.counts(sku) == (99, 0, 1)
    again = stack.process([(sku, 1)], **key)
    assert again.content == first.content and again.headers["Idempotent-Replayed"] == "true"


def test_an_explicit_key_replays_a_definite_failure_byte_for_byte(stack, sku):
    key = {"Idempotency-Key": sku}
    failed = stack.process([(sku, 101)], **key)
    assert failed.status_code == 400
    stack.post("customers", f"/products/{sku}/restock", json={"quantity": 50})
    again = stack.process([(sku, 101)], **key)
    assert again.status_code == 400
    assert again.content == failed.content
    assert again.headers["Idempotent-Replayed"] == "true"


def test_an_explicit_key_is_free_again_after_a_transient_failure_for_the_same_payload_only(stack, sku):
    key = {"Idempotency-Key": sku}
    # A lost reply until the step's time is over is transient; the fault is part of the payload.
    failed = stack.process([(sku, 1)], **key, **fault(CONFIRM, abort=14))
    assert failed.status_code == 503, failed.text
    assert stack.process([(sku, 2)], **key).status_code == 422
    again = stack.process([(sku, 1)], **key, **fault(CONFIRM, abort=14))
    assert again.status_code == 503
    assert "Idempotent-Replayed" not in again.headers
    assert again.content != failed.content  # a saga of its own
    assert stack.counts(sku) == (100, 0, 0)


def test_a_content_key_is_free_again_after_a_failure(stack, sku):
    assert stack.process([(sku, 101)]).status_code == 400
    stack.post("customers", f"/products/{sku}/restock", json={"quantity": 50})
    reply = stack.process([(sku, 101)])
    assert reply.status_code == 200
    assert stack.counts(sku) == (49, 0, 101)


def test_a_content_key_past_its_window_starts_a_new_saga(own_stack):
    stack = own_stack(flags={"coordinator": ["--content-key-window=1s"]})
    first = stack.process([("prod-123", 1)])
    second = eventually(lambda: (r := stack.process([("prod-123", 1)])).content != first.content and r, seconds=10,
                        every=0.3)
    assert second.status_code == 200
    assert second.json()["order_id"] != first.json()["order_id"]


def test_explicit_and_content_keys_are_separate(stack, sku):
    keyed = stack.process([(sku, 1)], **{"Idempotency-Key": sku})
    plain = stack.process([(sku, 1)])
    assert keyed.json()["order_id"] != plain.json()["order_id"]


def test_a_rejected_request_stores_nothing(stack, sku):
    key = {"Idempotency-Key": sku}
    assert stack.process([(sku, 0)], **key).status_code == 400
    assert stack.process([(sku, 1)], **key).status_code == 200


def test_a_caller_past_its_deadline_is_told_so_and_attaches_later(stack, sku):
    request = coordinator_pb2.ProcessOrderRequest(customer_id=1, items=[{"sku": sku, "quantity": 1}])
    metadata = list(fault(CONFIRM, delay_ms=700).items())
    stub = stack.coordinator()
    started = stack.metric("coordinator", "sagamesh_saga_requests_total", outcome="started")
    with pytest.raises(grpc.RpcError) as late:
        stub.ProcessOrder(request, metadata=metadata, timeout=0.3)
    assert late.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert stub.ProcessOrder(request, metadata=metadata, timeout=30).status == 1
    assert stack.counts(sku) == (99, 0, 1)
    assert stack.metric("coordinator", "sagamesh_saga_requests_total", outcome="started") == started + 1


def test_a_caller_attaches_while_the_saga_compensates(stack, sku):
    headers = {**fault("orders.v1.OrdersService/CancelOrder", delay_ms=1500), "Idempotency-Key": sku}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        first = pool.submit(stack.process, [(sku, 101)], **headers)
        eventually(lambda: stack.get("coordinator", f"/v1/sagas?idempotency_key={sku}&state=COMPENSATING").json()["sagas"])
        second = pool.submit(stack.process, [(sku, 101)], **headers)
        assert first.result().content == second.result().content
    assert first.result().status_code == 400


def test_a_long_compensation_is_told_before_it_ends(own_stack):
    stack = own_stack(flags={"coordinator": ["--compensation-wait=300ms"]})
    headers = fault("orders.v1.OrdersService/CancelOrder", delay_ms=1500)
    reply = stack.process([("prod-123", 1000)], **headers)
    assert reply.status_code == 400
    assert reply.headers["Saga-State"] == "COMPENSATING"
    eventually(lambda: not stack.open_sagas())


def test_errors_always_carry_the_saga_id(stack, sku):
    request = coordinator_pb2.ProcessOrderRequest(customer_id=1, items=[{"sku": sku, "quantity": 101}])
    with pytest.raises(grpc.RpcError) as failed:
        stack.coordinator().ProcessOrder(request)
    assert failed.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert reason(failed.value) == "INSUFFICIENT_STOCK"
    info = error_info(failed.value)
    assert info.domain == "customers"
    assert info.metadata["saga_id"] and info.metadata["requested"] == "101" and info.metadata["available"] == "100"


def test_respond_async_answers_with_the_saga_and_is_idempotent_too(stack, sku):
    headers = {"Prefer": "respond-async"}
    first = stack.process([(sku, 1)], **headers)
    assert first.status_code == 202
    saga_id = first.json()["saga_id"]
    assert first.headers["Location"] == f"/v1/sagas/{saga_id}"
    assert stack.process([(sku, 1)], **headers).json()["saga_id"] == saga_id
    eventually(lambda: stack.get("coordinator", f"/v1/sagas/{saga_id}").json()["state"] == "SUCCEEDED")
    assert stack.process([(sku, 1)]).json()["saga_id"] == saga_id
    assert stack.counts(sku) == (99, 0, 1)
