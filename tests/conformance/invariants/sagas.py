"""Invariants 6 to 9: sagas in the journal against their rows at the participants."""

import itertools

from databases import SAGA_STATE

from .rows import ORDER_SAGA, SAGA_SCOPE, saga_rows, succeeded


def tombstones_hold(state, answers):
    """6"""
    orders, customers = saga_rows(state.orders_barrier), saga_rows(state.customers_barrier)
    for saga_id, saga in state.sagas.items():
        if saga.state != "COMPENSATED" or saga.definition != ORDER_SAGA:
            continue
        for name, rows in (("orders", orders), ("customers", customers)):
            if saga_id not in rows or not rows[saga_id].compensating:
                yield f"saga {saga_id} is COMPENSATED and has left no mark at {name}"
    for name, rows in (("orders", orders), ("customers", customers)):
        for saga_id, record in rows.items():
            undone = [i for i, r in enumerate(record.results) if r.compensation]
            late = [r.method for r in record.results[undone[0]:] if not r.compensation] if undone else []
            if late:
                yield f"barrier row {saga_id} of {name} has a result of {late[0]} after the compensation"
            if undone and not record.compensating:
                yield f"barrier row {saga_id} of {name} has a compensation's result and no mark"
    moved = {movement.order_id for movement in state.movements}
    for order_id, reservation in state.reservations.items():
        row = customers.get(reservation.owner)
        if row is None or not row.compensating:
            continue
        if reservation.status != "RELEASED":
            yield f"saga {reservation.owner} is compensating at customers, its reservation is {reservation.status}"
        if not succeeded(row, "customers.v1.StockService/ReserveStock") and (reservation.lines or order_id in moved):
            yield f"saga {reservation.owner} never reserved, and stock moved for its order {order_id}"
    for order_id, order in state.orders.items():
        row = orders.get(order.saga_id)
        if row is not None and row.compensating and order.status not in ("CANCELLING", "CANCELLED"):
            yield f"saga {order.saga_id} is compensating at orders, its order {order_id} is {order.status}"


def compensation_follows_the_decision(state, answers):
    """7"""
    orders, customers = saga_rows(state.orders_barrier), saga_rows(state.customers_barrier)
    of_saga = {order.saga_id: order for order in state.orders.values() if order.saga_id}
    for saga_id, saga in state.sagas.items():
        marked = [name for name, rows in (("orders", orders), ("customers", customers))
                  if saga_id in rows and rows[saga_id].compensating]
        order = of_saga[saga_id].status if saga_id in of_saga else "absent"
        if marked and saga.state in ("RUNNING", "SUCCEEDED"):
            yield f"saga {saga_id} is {saga.state} and compensating at {' and '.join(marked)}"
        if marked and not saga.record.error:
            yield f"saga {saga_id} is compensating at {' and '.join(marked)} without a stored error"
        if saga.state == "SUCCEEDED":
            if order != "CONFIRMED" and saga.definition == ORDER_SAGA:
                yield f"saga {saga_id} is SUCCEEDED, its order {order}"
            if not saga.record.result or saga.record.error:
                yield f"saga {saga_id} is SUCCEEDED and stores {'an error' if saga.record.error else 'no result'}"
        if saga.state in ("COMPENSATING", "COMPENSATED"):
            if order == "CONFIRMED" and saga.final:
                yield f"saga {saga_id} is COMPENSATED, its order CONFIRMED"
            if saga.record.result or not saga.record.error:
                yield f"saga {saga_id} is {saga.state} and stores {'a result' if saga.record.result else 'no error'}"
    for name, rows in (("orders", orders), ("customers", customers)):
        for saga_id, record in rows.items():
            yield from _reverse_order(f"barrier row {saga_id} of {name}", record)


def _reverse_order(row, record):
    done = [r.step for r in record.results if not r.compensation]
    undone = [r.step for r in record.results if r.compensation]
    known = [step for step in undone if step in done]
    if known != sorted(known, key=done.index, reverse=True):
        yield f"{row} did the steps {done} and undid {undone}"


def epochs_only_rise(state, answers):
    """8"""
    rows = {"orders": saga_rows(state.orders_barrier), "customers": saga_rows(state.customers_barrier)}
    for name, barrier in (("orders", state.orders_barrier), ("customers", state.customers_barrier)):
        for row_id, scope in barrier:
            if scope.startswith(f"{SAGA_SCOPE}/"):
                yield f"barrier row {row_id} ({scope}) of {name} is left without its saga's epoch and mark"
    for name, of_participant in rows.items():
        for saga_id, record in of_participant.items():
            saga = state.sagas.get(saga_id)
            if saga is None:
                yield f"barrier row {saga_id} of {name} is of no saga in the journal"
            elif record.epoch > saga.epoch:
                yield f"barrier row {saga_id} of {name} has seen epoch {record.epoch}, the journal has {saga.epoch}"
    for saga_id, saga in state.sagas.items():
        # Whoever ended it called every step, or undid every one, under its own epoch. (`customers` may have been spared
        # the repetition: `orders` answers it from its own row.)
        row = rows["orders"].get(saga_id)
        if saga.final and saga.definition == ORDER_SAGA and row is not None and row.epoch != saga.epoch:
            yield f"saga {saga_id} was ended under epoch {saga.epoch}, orders has seen {row.epoch}"
        if saga.open_owner not in (None, saga.owner):
            yield f"saga {saga_id} is owned by {saga.owner} and open for {saga.open_owner}"


def _history_leads_to_its_state(saga):
    """Each entry begins where the one before ended, and the last ends where the saga is or has ended from. A saga that
    an older program ran has none."""
    entries = saga.record.history
    for first, second in itertools.pairwise(entries):
        if first.after != second.before:
            yield f"saga {saga.saga_id} has a history with a gap, from {first.after} to {second.before}"
    if entries:
        last = {"SUCCEEDED": "RUNNING", "COMPENSATED": "COMPENSATING"}.get(saga.state, saga.state)
        if SAGA_STATE(entries[-1].after) != last:
            yield f"saga {saga.saga_id} is {saga.state} and its history ends {SAGA_STATE(entries[-1].after)}"
    if saga.state == "PARKED" and entries and entries[-1].reason != saga.record.park_reason:
        yield f"saga {saga.saga_id} is PARKED for another reason than its history tells"


def sagas_end(state, answers):
    """9"""
    for saga_id, saga in state.sagas.items():
        if saga.state == "PARKED" and not saga.record.park_reason:
            yield f"saga {saga_id} is PARKED without a reason"
        if saga.state in ("RUNNING", "COMPENSATING"):
            yield f"saga {saga_id} is {saga.state} at rest"
        yield from _history_leads_to_its_state(saga)
        if saga.state != "RUNNING" and saga.state != "COMPENSATING" and saga.open_owner is not None:
            yield f"saga {saga_id} is {saga.state} and still open for {saga.open_owner}"
