"""Overload, deadlines, databases that are away, shutdown."""

import concurrent.futures
import socket
import subprocess
import time

import grpc
import pytest

from stack import CONFIRM, Stack, error_info_of, eventually, fault, saga_metadata
from stubs import coordinator_pb2, error_details_pb2, orders_pb2, reason, status_of


def saga_ids(stack, **filters):
    query = "&".join(f"{k}={v}" for k, v in filters.items())
    return [s["saga_id"] for s in stack.get("coordinator", f"/v1/sagas?{query}").json()["sagas"]]


def test_a_full_coordinator_refuses_with_retry_after_and_stores_nothing(own_stack):
    stack = own_stack(flags={"coordinator": ["--max-inflight-sagas=1"]})
    key = {"Idempotency-Key": "full"}
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        first = pool.submit(stack.process, [("prod-123", 1)], **fault(CONFIRM, delay_ms=700))
        eventually(stack.open_sagas)
        for reply in (stack.process([("prod-123", 2)], **key),
                      stack.process([("prod-123", 2)], **key, Prefer="respond-async")):
            assert reply.status_code == 429 and reply.headers["Retry-After"] == "1"
            assert error_info_of(reply)["reason"] == "SAGAS_IN_FLIGHT"
        with pytest.raises(grpc.RpcError) as refused:
            stack.coordinator().ProcessOrder(
                coordinator_pb2.ProcessOrderRequest(customer_id=1, items=[{"sku": "prod-123", "quantity": 2}]))
        assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        retry = error_details_pb2.RetryInfo()
        assert any(d.Unpack(retry) for d in status_of(refused.value).details) and retry.retry_delay.seconds == 1
        assert stack.process([("prod-123", 0)]).status_code == 400  # bad input is told as such
        assert first.result().status_code == 200
    assert saga_ids(stack, idempotency_key="full") == []
    assert stack.process([("prod-123", 2)], **key).status_code == 200
    assert stack.counts("prod-123") == (97, 0, 3)


def test_an_epoch_that_was_never_given_out_parks_the_saga_and_its_key_stays_held(stack, sku):
    key = {"Idempotency-Key": sku, **fault(CONFIRM, delay_ms=700)}
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        first = pool.submit(stack.process, [(sku, 1)], **key)
        saga_id = eventually(lambda: saga_ids(stack, state="RUNNING", idempotency_key=sku))[0]
        eventually(lambda: stack.counts(sku) == (99, 1, 0))
        stranger = orders_pb2.ConfirmOrderRequest(order_id="no-such-order")
        with pytest.raises(grpc.RpcError) as missing:
            stack.orders().ConfirmOrder(stranger, metadata=saga_metadata(saga_id, "stranger", "action", 99))
        assert reason(missing.value) == "RESERVATION_NOT_FOUND"
        stack.orders().CreateOrder(
            orders_pb2.CreateOrderRequest(order_id=sku, customer_id=1, items=[{"sku": sku, "quantity": 1}]),
            metadata=saga_metadata(saga_id, "stranger", "action", 99))
        parked = first.result()
    assert parked.status_code == 409
    saga = stack.get("coordinator", f"/v1/sagas/{saga_id}").json()
    assert saga["state"] == "PARKED" and saga["park_reason"].startswith("EPOCH_AHEAD")
    assert saga_id in saga_ids(stack, state="PARKED")
    assert stack.process([(sku, 1)], **key).content == parked.content  # attaches
    assert stack.process([(sku, 2)], **key).status_code == 422
    assert stack.process([(sku, 1)], **key, Prefer="respond-async").json() == {"saga_id": saga_id, "state": "PARKED"}


def test_respond_async_tells_errors_at_once_and_replays_by_key(stack, sku):
    headers = {"Prefer": "respond-async", "Idempotency-Key": sku}
    assert stack.process([(sku, 0)], **headers).status_code == 400
    started = stack.process([(sku, 101)], **headers)
    assert started.status_code == 202 and started.headers["Preference-Applied"] == "respond-async"
    saga_id = started.json()["saga_id"]
    eventually(lambda: stack.get("coordinator", f"/v1/sagas/{saga_id}").json()["state"] == "COMPENSATED")
    again = stack.process([(sku, 101)], **headers)
    assert again.json() == {"saga_id": saga_id, "state": "COMPENSATED"}
    assert again.headers["Idempotent-Replayed"] == "true"
    assert stack.process([(sku, 1)], **headers).status_code == 422
    waited = stack.process([(sku, 101)], **{"Idempotency-Key": sku})
    assert waited.status_code == 400 and waited.headers["Idempotent-Replayed"] == "true"
    assert stack.counts(sku) == (100, 0, 0)


def test_a_content_key_attaches_while_its_saga_compensates(stack, sku):
    headers = fault("orders.v1.OrdersService/CancelOrder", delay_ms=2000)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        first = pool.submit(stack.process, [(sku, 101)], **headers)
        eventually(lambda: saga_ids(stack, state="COMPENSATING"))
        second = pool.submit(stack.process, [(sku, 101)], **headers)
        assert (first.result().status_code, second.result().status_code) == (400, 400)
        assert first.result().content == second.result().content


def test_a_client_that_leaves_does_not_stop_its_saga(stack, sku):
    body = b'{"customer_id":1,"items":[{"sku":"%s","quantity":2}]}' % sku.encode()
    headers = "".join(f"{k}: {v}\r\n" for k, v in fault(CONFIRM, delay_ms=800).items())
    with socket.create_connection(("127.0.0.1", stack.port["rest_coordinator"]), timeout=10) as s:
        s.sendall(b"POST /dev/orders/process HTTP/1.1\r\nHost: x\r\n" + headers.encode() +
                  b"Idempotency-Key: %s\r\nContent-Length: %d\r\n\r\n" % (sku.encode(), len(body)) + body)
        eventually(lambda: saga_ids(stack, idempotency_key=sku, state="RUNNING"))
    eventually(lambda: saga_ids(stack, idempotency_key=sku, state="SUCCEEDED"))
    assert stack.counts(sku) == (98, 0, 2)


def test_a_service_does_not_begin_what_is_too_late(stack, sku):
    request = orders_pb2.CreateOrderRequest(customer_id=1, items=[{"sku": sku, "quantity": 1}])
    late = list(fault("customers.v1.StockService/ReserveStock", delay_ms=300).items())
    with pytest.raises(grpc.RpcError) as error:
        stack.orders().CreateOrder(request, metadata=late, timeout=0.1)
    assert error.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    time.sleep(0.4)
    assert stack.counts(sku) == (100, 0, 0)


def test_one_sku_is_created_once_however_many_ask(stack, sku):
    def create(number):
        return stack.post("customers", "/products", json={"sku": sku + "-once", "name": "x", "available": number})

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        replies = list(pool.map(create, range(20)))
    assert sorted(r.status_code for r in replies) == [200] + [409] * 19
    made = next(r.json() for r in replies if r.status_code == 200)
    assert stack.product(sku + "-once") == made


def test_customer_ids_are_given_or_named_and_never_twice(own_stack):
    stack = own_stack()

    def create(**body):
        return stack.post("customers", "/customers", json={"name": "Ada", **body})

    assert create(customer_id=7).json() == {"customer_id": 7, "name": "Ada", "email": ""}
    assert create(customer_id=7).status_code == 409
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        ids = [r.json()["customer_id"] for r in pool.map(lambda _: create(), range(20))]
    assert len(set(ids)) == 20 and not {1, 7} & set(ids)
    assert create(customer_id=4294967295).status_code == 200
    assert create().status_code == 400  # none is left above it


@pytest.mark.files
def test_health_tells_a_database_that_is_away_and_the_service_recovers(tmp_path):
    stack = Stack(tmp_path, flags={"orders": [f"--db=sqlite:{tmp_path}/in-the-way/orders.db"]})
    (tmp_path / "in-the-way").write_text("a file where the directory should be")
    stack.launch("customers", "orders", "coordinator", "gateway")
    try:
        eventually(lambda: stack.answers("coordinator") and stack.answers("orders"))
        eventually(lambda: stack.get("coordinator", "/health").status_code == 200)
        health = stack.get("orders", "/health")
        assert health.status_code == 503
        assert health.text == '{"status":"error","service":"Orders API","db":"disconnected"}'
        eventually(lambda: b"DATABASE_UNAVAILABLE" in stack.get("orders", "/orders").content)
        reply = stack.get("orders", "/orders")
        assert reply.status_code == 503
        (tmp_path / "in-the-way").unlink()
        (tmp_path / "in-the-way").mkdir()
        stack.wait_healthy()
        assert stack.process([("prod-123", 1)]).status_code == 200
    finally:
        stack.stop()


def test_a_shutdown_sends_callers_away_before_its_grace_is_over_and_their_saga_goes_on(own_stack):
    stack = own_stack(flags={"coordinator": ["--grace=400ms"]})
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(stack.process, [("prod-123", 1)], **fault(CONFIRM, delay_ms=800))
        eventually(stack.open_sagas)
        assert stack.terminate("coordinator") == 0
        assert waiting.result().status_code == 503
        assert error_info_of(waiting.result())["reason"] == "SHUTTING_DOWN"
    stack.start("coordinator")
    eventually(lambda: not stack.open_sagas())
    again = stack.process([("prod-123", 1)], **fault(CONFIRM, delay_ms=800))
    assert again.status_code == 200 and again.headers["Idempotent-Replayed"] == "true"
    assert stack.counts("prod-123") == (99, 0, 1)
    saga = stack.get("coordinator", f"/v1/sagas/{again.json()['saga_id']}").json()
    assert saga["epoch"] == "2" and saga["state"] == "SUCCEEDED"  # the next owner ended it


def test_a_bad_flag_is_a_clear_message(tmp_path):
    for service, flag, word in (
            ("orders", "--db=nowhere", "sqlite:PATH"),
            ("orders", "--no-such-flag=1", "no-such-flag"),
            ("orders", "--customers=127.0.0.1:1,customers:1", "--customers"),
            ("orders", "--sweep-interval=0", "'sweep_interval'; must be positive"),
            ("customers", "--barrier-retention=0", "'barrier_retention'; must be positive"),
            ("customers", "--grace=-1s", "'grace'; must not be negative"),
            ("coordinator", "--stuck-after=0", "'stuck_after'; must be positive"),
            ("coordinator", "--content-key-window=-1h", "'content_key_window'; must be positive"),
            ("coordinator", f"--replica={'r' * 256}", "--replica"),
            ("coordinator", "--replica=a\x01b", "--replica")):
        command = [Stack(tmp_path).command(service)[0], "--listen=127.0.0.1:0", f"--db=sqlite:{tmp_path}/db", flag]
        result = subprocess.run(command, capture_output=True, text=True, timeout=20)
        assert result.returncode == 1 and word.replace("-", "_") in result.stderr.replace("-", "_"), (flag, result)
