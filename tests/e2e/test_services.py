"""Orders and customers by themselves: REST, strangers by gRPC, lists."""

import itertools

import grpc
import pytest

from stack import error_info_of, eventually, new_saga_id, saga_metadata
from stubs import customers_pb2, orders_pb2, reason


def refused(call, *args, **kwargs):
    with pytest.raises(grpc.RpcError) as error:
        call(*args, **kwargs)
    return error.value


def direct_order(stack, sku, quantity=1, **headers):
    reply = stack.post("orders", "/orders", json={"customer_id": 1, "items": [{"sku": sku, "quantity": quantity}]},
                       headers=headers)
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_a_direct_order_lives_through_create_confirm(stack, sku):
    order = direct_order(stack, sku, 2)
    assert order["status"] == "CREATED" and order["total_cents"] == "500" and order["saga_id"] == ""
    assert stack.counts(sku) == (98, 2, 0)
    path = f"/orders/{order['order_id']}/confirm"
    without_key = stack.post("orders", path)
    assert without_key.status_code == 400 and "idempotency-key" in without_key.json()["message"].lower()
    confirmed = stack.post("orders", path, headers={"Idempotency-Key": sku})
    assert confirmed.json()["status"] == "CONFIRMED"
    again = stack.post("orders", path, headers={"Idempotency-Key": sku})
    assert again.content == confirmed.content
    assert again.headers["Idempotent-Replayed"] == "true"
    assert stack.counts(sku) == (98, 0, 2)
    cancel = stack.post("orders", f"/orders/{order['order_id']}/cancel")
    assert cancel.status_code == 400
    assert error_info_of(cancel)["reason"] == "ORDER_CONFIRMED"


def test_a_direct_order_can_be_cancelled_and_its_stock_comes_back(stack, sku):
    order = direct_order(stack, sku, 5)
    cancelled = stack.post("orders", f"/orders/{order['order_id']}/cancel")
    assert cancelled.json()["status"] == "CANCELLED"
    assert stack.counts(sku) == (100, 0, 0)
    confirm = stack.post("orders", f"/orders/{order['order_id']}/confirm", headers={"Idempotency-Key": sku})
    assert confirm.status_code == 400
    assert stack.post("orders", "/orders/unknown/cancel").status_code == 404


def test_a_direct_create_is_idempotent_by_key(stack, sku):
    first = direct_order(stack, sku, **{"Idempotency-Key": sku})
    assert direct_order(stack, sku, **{"Idempotency-Key": sku}) == first
    assert stack.counts(sku) == (99, 1, 0)
    other = stack.post("orders", "/orders", json={"customer_id": 1, "items": [{"sku": sku, "quantity": 9}]},
                       headers={"Idempotency-Key": sku})
    assert other.status_code == 422


def test_a_direct_order_that_nobody_ends_is_ended_by_the_sweep(own_stack):
    stack = own_stack(flags={"orders": ["--order-ttl=1s", "--sweep-interval=200ms"]})
    order = direct_order(stack, "prod-123", 7)
    eventually(lambda: stack.order(order["order_id"]).json()["status"] == "CANCELLED")
    assert stack.counts("prod-123") == (100, 0, 0)


def test_strangers_may_not_touch_a_sagas_order(stack, sku):
    order_id = stack.process([(sku, 1)]).json()["order_id"]
    assert stack.post("orders", f"/orders/{order_id}/cancel").status_code == 400
    error = refused(stack.stock().ReleaseReservation, customers_pb2.ReleaseReservationRequest(order_id=order_id))
    assert error.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert reason(error) == "RESERVATION_OWNED_BY_SAGA"
    error = refused(stack.stock().ReleaseReservation, customers_pb2.ReleaseReservationRequest(order_id=order_id),
                    metadata=saga_metadata(new_saga_id(), "s", "compensation", 1))
    assert reason(error) == "RESERVATION_OWNED_BY_SAGA"
    assert stack.counts(sku) == (99, 0, 1)
    assert stack.order(order_id).json()["status"] == "CONFIRMED"


def test_a_direct_create_may_not_carry_an_order_id(stack, sku):
    request = orders_pb2.CreateOrderRequest(order_id="mine", customer_id=1, items=[{"sku": sku, "quantity": 1}])
    error = refused(stack.orders().CreateOrder, request)
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT and "order_id" in error.details()
    assert stack.counts(sku) == (100, 0, 0)


@pytest.mark.parametrize("left_out", ["saga-id", "saga-step", "saga-op", "saga-epoch"])
def test_partial_saga_metadata_is_refused(stack, sku, left_out):
    metadata = [m for m in saga_metadata(new_saga_id(), "s", "action", 1) if m[0] != left_out]
    request = orders_pb2.CreateOrderRequest(order_id="o", customer_id=1, items=[{"sku": sku, "quantity": 1}])
    error = refused(stack.orders().CreateOrder, request, metadata=metadata)
    assert reason(error) == "SAGA_METADATA_INCOMPLETE"
    assert stack.counts(sku) == (100, 0, 0)


def test_a_saga_older_than_the_barriers_memory_is_refused(stack, sku):
    metadata = saga_metadata(new_saga_id(age_seconds=8 * 24 * 3600), "s", "action", 1)
    request = customers_pb2.ReserveStockRequest(order_id=sku, customer_id=1, items=[{"sku": sku, "quantity": 1}])
    error = refused(stack.stock().ReserveStock, request, metadata=metadata)
    assert reason(error) == "TOO_OLD"
    assert stack.counts(sku) == (100, 0, 0)


def test_orders_are_listed_by_customer_and_status_and_stable_under_inserts(stack, sku):
    customer = stack.post("customers", "/customers", json={"name": "Ada", "email": "ada@example.org"}).json()
    me = customer["customer_id"]
    assert stack.get("customers", f"/customers/{me}").json() == customer

    def buy(n):
        return [stack.process([(sku, 1)], customer_id=me, **{"Idempotency-Key": f"{sku}-{n}-{i}"}).json()["order_id"]
                for i in range(n)]

    ids = buy(7)
    first = stack.get("orders", f"/orders?customer_id={me}&status=CONFIRMED&page_size=3").json()
    assert [o["order_id"] for o in first["orders"]] == ids[:3:-1][:3]
    late = buy(2)
    seen, token = [o["order_id"] for o in first["orders"]], first["next_page_token"]
    for _ in itertools.repeat(None, 5):
        if not token:
            break
        page = stack.get("orders", f"/orders?customer_id={me}&status=CONFIRMED&page_size=3&page_token={token}").json()
        seen += [o["order_id"] for o in page["orders"]]
        token = page["next_page_token"]
    assert seen == list(reversed(ids))
    assert not set(late) & set(seen)
    assert stack.get("orders", f"/orders?customer_id={me}&status=CANCELLED").json() == {
        "orders": [], "next_page_token": ""}


def test_restock_is_idempotent_by_key_and_bounded(stack, sku):
    path = f"/products/{sku}/restock"
    for _ in range(2):
        assert stack.post("customers", path, json={"quantity": 5}, headers={"Idempotency-Key": sku}).status_code == 200
    assert stack.counts(sku) == (105, 0, 0)
    for _ in range(2):
        assert stack.post("customers", path, json={"quantity": 1}).status_code == 200
    assert stack.counts(sku) == (107, 0, 0)
    stack.post("customers", path, json={"quantity": 1_000_000_000})
    stack.post("customers", path, json={"quantity": 1_000_000_000})
    full = stack.post("customers", path, json={"quantity": 1_000_000_000})
    assert full.status_code == 400
    assert stack.counts(sku) == (2_000_000_107, 0, 0)


def test_products_show_their_counts_as_numbers(stack, sku):
    assert stack.product(sku) == {"sku": sku, "name": sku, "price_cents": "250", "available": 100, "reserved": 0,
                                  "sold": 0}
    assert stack.post("customers", "/products", json={"sku": sku, "name": "x", "price_cents": 1,
                                                      "available": 1}).status_code == 409
    odd = stack.new_product(f"a/b {sku}")
    assert stack.product("a%2Fb%20" + sku)["sku"] == odd
