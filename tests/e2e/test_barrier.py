"""Layer 2 of idempotency: every row of the barrier's table in docs/semantics.md, by calls that look like a saga's."""

import uuid

import grpc
import pytest

from stack import fault, new_saga_id, saga_metadata
from stubs import coordinator_pb2, customers_pb2, orders_pb2, reason


class Caller:
    """Calls the steps of one made-up saga's order, at `epoch`."""

    def __init__(self, stack, sku):
        self.stack, self.sku, self.saga = stack, sku, new_saga_id()
        self.order_id = f"order-{self.saga[-12:]}"

    def create(self, epoch=1, quantity=2, step="create_order", **faults):
        request = orders_pb2.CreateOrderRequest(order_id=self.order_id, customer_id=1,
                                                items=[{"sku": self.sku, "quantity": quantity}])
        metadata = saga_metadata(self.saga, step, "action", epoch) + list(faults.items())
        return self.stack.orders().CreateOrder(request, metadata=metadata, timeout=10).order

    def confirm(self, epoch=1):
        metadata = saga_metadata(self.saga, "confirm_order", "action", epoch)
        return self.stack.orders().ConfirmOrder(orders_pb2.ConfirmOrderRequest(order_id=self.order_id),
                                                metadata=metadata, timeout=10).order

    def cancel(self, epoch=1):
        metadata = saga_metadata(self.saga, "create_order", "compensation", epoch)
        return self.stack.orders().CancelOrder(orders_pb2.CancelOrderRequest(order_id=self.order_id),
                                               metadata=metadata, timeout=10).order


@pytest.fixture
def caller(stack, sku):
    return Caller(stack, sku)


def refused(call, *args, **kwargs):
    with pytest.raises(grpc.RpcError) as error:
        call(*args, **kwargs)
    return error.value.code().name, reason(error.value)


def test_a_repeated_action_and_a_repeated_compensation_answer_their_stored_results(caller):
    created = caller.create()
    assert caller.create() == created
    assert caller.stack.counts(caller.sku) == (98, 2, 0)
    assert caller.confirm() == caller.confirm()
    assert caller.stack.counts(caller.sku) == (98, 0, 2)
    assert caller.create() == created  # the result, not what has become of the order
    cancelled = caller.cancel()
    assert cancelled.status == orders_pb2.Order.CANCELLED
    assert caller.cancel() == cancelled
    assert caller.stack.counts(caller.sku) == (100, 0, 0)


def test_a_definite_refusal_is_stored_too(caller):
    assert refused(caller.create, quantity=101) == ("FAILED_PRECONDITION", "INSUFFICIENT_STOCK")
    caller.stack.post("customers", f"/products/{caller.sku}/restock", json={"quantity": 50})
    assert refused(caller.create, quantity=101) == ("FAILED_PRECONDITION", "INSUFFICIENT_STOCK")
    assert caller.stack.counts(caller.sku) == (150, 0, 0)


def test_an_injected_error_is_not_stored(caller):
    faults = fault("orders.v1.OrdersService/CreateOrder", abort=9)
    assert refused(caller.create, **faults) == ("FAILED_PRECONDITION", "FAULT_INJECTED")
    assert caller.create().status == orders_pb2.Order.CREATED


def test_the_same_step_with_another_payload_is_refused(caller):
    caller.create()
    assert refused(caller.create, quantity=3) == ("INVALID_ARGUMENT", "IDEMPOTENCY_KEY_REUSED")
    assert caller.stack.counts(caller.sku) == (98, 2, 0)


def test_a_compensation_whose_action_never_came_succeeds_and_refuses_the_late_action(caller):
    assert caller.cancel().status == orders_pb2.Order.CANCELLED
    assert refused(caller.create) == ("ABORTED", "ALREADY_COMPENSATED")
    assert caller.stack.order(caller.order_id).status_code == 404  # the mark, and no order
    assert caller.stack.counts(caller.sku) == (100, 0, 0)


def test_every_late_action_is_refused_once_the_saga_compensates(caller):
    caller.create()
    caller.cancel()
    assert refused(caller.create) == ("ABORTED", "ALREADY_COMPENSATED")
    assert refused(caller.confirm) == ("ABORTED", "ALREADY_COMPENSATED")
    assert refused(caller.create, step="another") == ("ABORTED", "ALREADY_COMPENSATED")
    assert caller.stack.counts(caller.sku) == (100, 0, 0)


def test_a_lower_epoch_is_refused_before_any_stored_result(caller):
    caller.create(epoch=3)
    assert refused(caller.create, epoch=2) == ("ABORTED", "STALE_EPOCH")
    assert refused(caller.cancel, epoch=2) == ("ABORTED", "STALE_EPOCH")
    assert caller.stack.counts(caller.sku) == (98, 2, 0)
    caller.create(epoch=4)  # a repeat by the next owner raises it
    assert refused(caller.confirm, epoch=3) == ("ABORTED", "STALE_EPOCH")
    assert caller.cancel(epoch=4).status == orders_pb2.Order.CANCELLED


def test_the_stock_has_a_barrier_of_its_own(stack, sku):
    saga, stock = new_saga_id(), stack.stock()
    order_id = f"order-{saga[-12:]}"
    reserve = customers_pb2.ReserveStockRequest(order_id=order_id, customer_id=1, items=[{"sku": sku, "quantity": 2}])
    release = customers_pb2.ReleaseReservationRequest(order_id=order_id)

    def action(epoch):
        return stock.ReserveStock(reserve, metadata=saga_metadata(saga, "s", "action", epoch))

    assert action(2) == action(2)
    assert refused(action, 1) == ("ABORTED", "STALE_EPOCH")
    stock.ReleaseReservation(release, metadata=saga_metadata(saga, "s", "compensation", 2))
    stock.ReleaseReservation(release, metadata=saga_metadata(saga, "s", "compensation", 2))
    assert refused(action, 2) == ("ABORTED", "ALREADY_COMPENSATED")
    assert stack.counts(sku) == (100, 0, 0)


@pytest.mark.parametrize("method,op", [("CreateOrder", "compensation"), ("ConfirmOrder", "compensation"),
                                       ("CancelOrder", "action")])
def test_an_operation_that_the_method_is_not_is_refused(stack, caller, method, op):
    request = getattr(orders_pb2, method + "Request")(order_id=caller.order_id)
    if method == "CreateOrder":
        request.customer_id = 1
        request.items.add(sku=caller.sku, quantity=1)
    metadata = saga_metadata(caller.saga, "s", op, 1)
    assert refused(getattr(stack.orders(), method), request, metadata=metadata)[0] == "INVALID_ARGUMENT"
    caller.create()  # and left no mark


@pytest.mark.parametrize("name,value", [
    ("saga-id", str(uuid.uuid4())), ("saga-id", "x"), ("saga-op", "undo"),
    ("saga-epoch", "0"), ("saga-epoch", "-1"), ("saga-epoch", "x"), ("saga-epoch", str(2**63)), ("saga-step", "")])
def test_bad_saga_metadata_is_refused_by_name(caller, name, value):
    metadata = [(n, value if n == name else v) for n, v in saga_metadata(caller.saga, "s", "action", 1)]
    request = orders_pb2.CreateOrderRequest(order_id=caller.order_id, customer_id=1,
                                            items=[{"sku": caller.sku, "quantity": 1}])
    with pytest.raises(grpc.RpcError) as error:
        caller.stack.orders().CreateOrder(request, metadata=metadata)
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT and name in error.value.details()
    assert caller.stack.counts(caller.sku) == (100, 0, 0)


def test_a_saga_of_another_clock_is_refused_for_now(caller):
    caller.saga = new_saga_id(age_seconds=-86400)
    assert refused(caller.create) == ("UNAVAILABLE", "SAGA_IN_THE_FUTURE")
    assert caller.stack.counts(caller.sku) == (100, 0, 0)


def test_a_coordinator_is_no_participant(stack, sku):
    request = coordinator_pb2.ProcessOrderRequest(customer_id=1, items=[{"sku": sku, "quantity": 1}])
    metadata = saga_metadata(new_saga_id(), "s", "action", 1)
    assert refused(stack.coordinator().ProcessOrder, request, metadata=metadata) == (
        "INVALID_ARGUMENT", "SAGA_METADATA_NOT_ALLOWED")
    assert stack.counts(sku) == (100, 0, 0)


# A direct caller's key: a row of its own in the same table.

def test_a_direct_callers_key_answers_confirm_and_cancel_from_the_store(stack, sku):
    def create():
        reply = stack.post("orders", "/orders", json={"customer_id": 1, "items": [{"sku": sku, "quantity": 1}]})
        return reply.json()["order_id"]

    def end(order_id, verb, key):
        return stack.post("orders", f"/orders/{order_id}/{verb}", headers={"Idempotency-Key": key})

    def replayed(reply):
        return reply.headers.get("Idempotent-Replayed") == "true"

    first, second = create(), create()
    cancelled = end(first, "cancel", sku)
    again = end(first, "cancel", sku)
    assert cancelled.status_code == 200 and again.content == cancelled.content
    assert replayed(again) and not replayed(cancelled)
    assert end(second, "cancel", sku).status_code == 422

    assert end(second, "confirm", sku).status_code == 200
    assert end(first, "confirm", sku).status_code == 422
    other_key = end(second, "confirm", sku + "-2")  # already what was asked for
    assert other_key.status_code == 200 and not replayed(other_key)
    refusal = end(second, "cancel", sku + "-3")
    repeated = end(second, "cancel", sku + "-3")
    assert refusal.status_code == 400 and repeated.content == refusal.content
    assert replayed(repeated) and not replayed(refusal)
    assert stack.counts(sku) == (99, 0, 1)


def test_a_direct_refusal_is_replayed_though_stock_has_come_back(stack, sku):
    def create():
        return stack.post("orders", "/orders", json={"customer_id": 1, "items": [{"sku": sku, "quantity": 101}]},
                          headers={"Idempotency-Key": sku})

    first = create()
    stack.post("customers", f"/products/{sku}/restock", json={"quantity": 50})
    again = create()
    assert (first.status_code, again.status_code) == (400, 400)
    assert again.content == first.content and again.headers["Idempotent-Replayed"] == "true"
    assert stack.counts(sku) == (150, 0, 0)


def test_a_direct_reservation_goes_its_way_once(stack, sku):
    stock, order_id = stack.stock(), f"direct-{sku}"
    reserve = customers_pb2.ReserveStockRequest(order_id=order_id, customer_id=1, items=[{"sku": sku, "quantity": 5}])
    commit = customers_pb2.CommitReservationRequest(order_id=order_id)
    release = customers_pb2.ReleaseReservationRequest(order_id=order_id)
    for call, request, counts in ((stock.ReserveStock, reserve, (95, 5, 0)), (stock.CommitReservation, commit, (95, 0, 5)),
                                  (stock.ReleaseReservation, release, (100, 0, 0))):
        assert call(request) == call(request)
        assert stack.counts(sku) == counts
    assert refused(stock.ReserveStock, reserve) == ("ABORTED", "ALREADY_COMPENSATED")
    assert refused(stock.CommitReservation, commit) == ("ABORTED", "ALREADY_COMPENSATED")
    never = customers_pb2.ReleaseReservationRequest(order_id=order_id + "-never")
    assert stock.ReleaseReservation(never).reservation.status == customers_pb2.Reservation.RELEASED
    reserve.order_id = never.order_id
    assert refused(stock.ReserveStock, reserve) == ("ABORTED", "ALREADY_COMPENSATED")
