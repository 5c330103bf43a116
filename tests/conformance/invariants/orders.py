"""Invariants 2 and 3: orders against reservations, and against what was answered."""

import collections
import json

from .rows import parked
from .stock import reservation_history

SWEEP_LAG_MS = 15_000  # a direct order is ended at latest this long after its time ran out


def orders_and_reservations_agree(state, answers):
    """2"""
    yield from reservation_history(state)
    for order_id, order in state.orders.items():
        if parked(state, order.saga_id):
            continue
        reservation = state.reservations.get(order_id)
        status = reservation.status if reservation else "absent"
        whose = f"order {order_id} of " + (f"saga {order.saga_id}" if order.saga_id else "a direct caller")
        if (order.status == "CONFIRMED") != (status == "COMMITTED"):
            yield f"{whose} is {order.status}, its reservation {status}"
        if order.status == "CONFIRMED" and reservation and reservation.lines != order.lines:
            yield f"{whose} is of {order.lines}, its reservation of {reservation.lines}"
        if order.status == "CANCELLED" and status not in ("RELEASED", "absent"):
            yield f"{whose} is CANCELLED, its reservation {status}"
        if order.status not in ("CONFIRMED", "CANCELLED"):
            if order.saga_id and (order.saga_id not in state.sagas or state.sagas[order.saga_id].final):
                yield f"{whose} is {order.status}, and its saga has ended"
            late_ms = state.at_ms - order.sweep_ms if order.sweep_ms else 0
            if not order.saga_id and (order.sweep_ms is None or late_ms > SWEEP_LAG_MS):
                yield f"{whose} is {order.status}, and its time ran out {late_ms} ms ago"
    for order_id, reservation in state.reservations.items():
        if reservation.status != "RELEASED" and order_id not in state.orders and not parked(state, reservation.owner):
            yield f"reservation of order {order_id} is {reservation.status}, and there is no such order"
    yield from _final_states_last(state, answers)


def _final_states_last(state, answers):
    for answer in answers:
        if answer.is_process or answer.status != 200 or not answer.path.startswith("/orders/"):
            continue
        told = json.loads(answer.body)
        order_id = told.get("order_id", "")
        now = state.orders[order_id].status if order_id in state.orders else "absent"
        direct = not told.get("saga_id")
        if told.get("status") != now and (told.get("status") == "CANCELLED" or
                                          (told.get("status") == "CONFIRMED" and direct)):
            yield f"order {order_id} was answered {told['status']} and is {now}"


def answered_orders_exist(state, answers):
    """3"""
    for answer in answers:
        if not answer.is_process or answer.status != 200:
            continue
        told = answer.result()
        order = state.orders.get(told.order_id)
        if order is None or order.status != "CONFIRMED":
            yield (f"order {told.order_id} of saga {told.saga_id} was answered 200 (key {answer.key}) and is "
                   f"{order.status if order else 'absent'}")
            continue
        wanted = collections.Counter()
        for item in answer.request["items"]:
            wanted[item["sku"]] += item["quantity"]
        if (order.lines, order.customer_id) != (dict(wanted), answer.request["customer_id"]):
            yield f"order {told.order_id} was answered 200 (key {answer.key}) and is not what was asked for"
        if (order.total_cents, order.saga_id) != (told.total_cents, told.saga_id):
            yield f"order {told.order_id} was answered 200 (key {answer.key}) and is not what was answered"
