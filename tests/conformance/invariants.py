"""The invariants of docs/semantics.md, one function each, over the databases at rest and the clients' answers.

Each yields sentences that name the row; it knows what the rows mean, not how the services come to write them.
Invariant 10 is measured where there is load.
"""

import collections
import itertools
import json

from google.protobuf import json_format

from answers import error_info
from databases import CONTENT_KEY, EXPLICIT_KEY
from stubs import coordinator_pb2, status_pb2

CONTENT_KEY_WINDOW_MS = 24 * 3600 * 1000  # the coordinator's --content-key-window
SWEEP_LAG_MS = 15_000  # a direct order is ended at latest this long after its time ran out
SAGA_SCOPE = "saga"  # of a saga's barrier row
ORDER_SAGA = "process_order"  # the definition whose steps are at orders and customers
# The coordinator's own words about a saga, not the saga's answer.
NOT_THE_SAGAS_ANSWER = ("SAGA_STILL_RUNNING", "TOO_MANY_WAITERS", "SAGA_PARKED", "SHUTTING_DOWN")

# What stock an order's movement takes and gives, in units of its quantity: (available, reserved, sold).
EFFECTS = {"reserve": (-1, 1, 0), "commit": (0, -1, 1), "release": (1, -1, 0), "reversal": (1, 0, -1)}
# The movements of each line of a reservation, by its status; a release that found nothing has no lines.
HISTORIES = {
    "RESERVED": [{"reserve"}],
    "COMMITTED": [{"reserve", "commit"}],
    "RELEASED": [{"reserve", "release"}, {"reserve", "commit", "reversal"}],
}


def _saga_rows(barrier):
    return {row_id: record for (row_id, scope), record in barrier.items() if scope == SAGA_SCOPE}


def _parked(state, saga_id):
    """An operator's: what it holds waits with it."""
    return saga_id in state.sagas and state.sagas[saga_id].state == "PARKED"


def _succeeded(record, method):
    """Whether a barrier row holds an action of this method that succeeded."""
    return any(r.method == method and not r.compensation and not r.refused for r in record.results)


def stock_adds_up(state, answers):
    """1"""
    sums = collections.defaultdict(lambda: [0, 0, 0])
    brought = collections.Counter()
    for movement in state.movements:
        if movement.sku not in state.products:
            yield f"movement {movement.movement_id} is of product {movement.sku}, which is gone"
        for i, units in enumerate(movement[4:7]):
            sums[movement.sku][i] += units
        if movement.kind in ("initial", "restock"):
            brought[movement.sku] += movement.available
        if movement.kind not in EFFECTS and movement.kind not in ("initial", "restock"):
            yield f"movement {movement.movement_id} of {movement.sku} is of no known kind: {movement.kind}"
    for sku, product in state.products.items():
        if min(product) < 0:
            yield f"product {sku} has a negative balance: {tuple(product)}"
        if tuple(sums[sku]) != tuple(product):
            yield f"product {sku} has the balances {tuple(product)}, its movements sum to {tuple(sums[sku])}"
        if sum(product) != brought[sku]:
            yield f"product {sku} has {sum(product)} units, {brought[sku]} were brought (initial and restocked)"
    yield from _restocks(state, answers)


def _restocks(state, answers):
    """What was answered came once; what was asked for, answered or not, came at most once."""
    asked = collections.defaultdict(dict)  # by product: by intent, (units, whether it was answered 200)
    for number, answer in enumerate(answers):
        if answer.method == "POST" and answer.path.endswith("/restock"):
            calls = asked[answer.path.split("/")[2]]
            intent = number if answer.key is None else answer.key
            good = answer.status == 200 or (intent in calls and calls[intent][1])
            calls[intent] = (int(answer.request["quantity"]), good)
    came = collections.Counter()
    for movement in state.movements:
        if movement.kind == "restock":
            came[movement.sku] += movement.available
    for sku, calls in asked.items():
        least = sum(units for units, good in calls.values() if good)
        most = sum(units for units, _ in calls.values())
        if not least <= came[sku] <= most:
            yield (f"product {sku} was answered {least} restocked units of {most} that were asked for, its movements "
                   f"hold {came[sku]}")


def _reservation_history(state):
    """Each reservation against its movements: committed once, reversed once, nothing else."""
    kinds = collections.defaultdict(list)
    for movement in state.movements:
        if not movement.order_id:
            continue
        kinds[movement.order_id, movement.sku].append(movement.kind)
        reservation = state.reservations.get(movement.order_id)
        if reservation is None:
            yield f"movement {movement.movement_id} of {movement.sku}: order {movement.order_id} has no reservation"
            continue
        quantity = reservation.lines.get(movement.sku, 0)
        effect = EFFECTS.get(movement.kind)
        if effect and movement[4:7] != tuple(quantity * sign for sign in effect):
            yield (f"movement {movement.movement_id} of {movement.sku} moves {movement[4:7]}, the reservation holds "
                   f"{quantity}")
    for order_id, reservation in state.reservations.items():
        for sku in reservation.lines:
            found = kinds[order_id, sku]
            if len(found) != len(set(found)) or set(found) not in HISTORIES[reservation.status]:
                yield (f"reservation of order {order_id} is {reservation.status}, its movements of {sku} are "
                       f"{sorted(found)}")


def orders_and_reservations_agree(state, answers):
    """2"""
    yield from _reservation_history(state)
    for order_id, order in state.orders.items():
        if _parked(state, order.saga_id):
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
        if reservation.status != "RELEASED" and order_id not in state.orders and not _parked(state, reservation.owner):
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


def one_effect_per_key(state, answers):
    """4"""
    yield from _keys_match_sagas(state)
    yield from _one_result_per_key(state)
    for name, barrier in (("orders", state.orders_barrier), ("customers", state.customers_barrier)):
        for (row_id, scope), record in barrier.items():
            done = collections.Counter((r.step, r.compensation, r.method) for r in record.results)
            for (step, compensation, method), times in done.items():
                if times > 1:
                    yield (f"barrier row {row_id} ({scope}) of {name} has {times} results of step '{step}' "
                           f"{'compensation' if compensation else 'action'} {method}")
    for what, owned in (("orders", ((o.saga_id, i) for i, o in state.orders.items())),
                        ("reservations", ((r.owner, i) for i, r in state.reservations.items()))):
        of_saga = collections.defaultdict(list)
        for saga_id, order_id in owned:
            if saga_id:
                of_saga[saga_id].append(order_id)
        for saga_id, ids in of_saga.items():
            if saga_id not in state.sagas:
                yield f"{what} {ids} belong to saga {saga_id}, which is not in the journal"
            if len(ids) > 1:
                yield f"saga {saga_id} made {len(ids)} {what}: {ids}"
    yield from _same_bytes(state, answers)


def _keys_match_sagas(state):
    for key in state.keys:
        saga = state.sagas.get(key.saga_id)
        name = f"key '{key.key}' of {key.definition}"
        if key.status == "NONE":
            continue
        if saga is None:
            yield f"{name} is {key.status} by saga {key.saga_id}, which is not in the journal"
            continue
        explicit = key.kind == EXPLICIT_KEY
        if saga.state == "SUCCEEDED" or (saga.state == "COMPENSATED" and explicit and saga.record.error_definite):
            expected = "DONE"
        else:
            expected = "FREE" if saga.final else "HELD"
        if key.status != expected:
            yield f"{name} is {key.status} and must be {expected}: saga {saga.saga_id} is {saga.state}"
        if (key.principal, key.definition, key.kind, key.key) != saga.key:
            yield f"{name} names saga {saga.saga_id}, which has the key '{saga.key[3]}'"
        if key.fingerprint != saga.record.fingerprint.decode():
            yield f"{name} has another fingerprint than its saga {saga.saga_id}"


def _sagas_by_key(state):
    by_key = collections.defaultdict(list)
    for saga in state.sagas.values():
        by_key[saga.key].append(saga)
    for sagas in by_key.values():
        sagas.sort(key=lambda saga: (saga.created_ms, saga.saga_id))
    return by_key


def _one_result_per_key(state):
    for (_, _, kind, key), sagas in _sagas_by_key(state).items():
        kept = [s for s in sagas if s.state == "SUCCEEDED" or
                (s.state == "COMPENSATED" and kind == EXPLICIT_KEY and s.record.error_definite)]
        for first, second in itertools.pairwise(kept):
            if kind == CONTENT_KEY and second.created_ms - first.created_ms >= CONTENT_KEY_WINDOW_MS:
                continue
            yield f"key '{key}' was answered by two sagas, {first.saga_id} and {second.saga_id}"


def _same_bytes(state, answers):
    bodies = {}
    results_of_key = {}
    for answer in answers:
        if not answer.is_process or answer.status == 0:
            continue
        if answer.status == 200:
            told = answer.result()
            saga_id, stored = told.saga_id, coordinator_pb2.ProcessOrderResponse.FromString
            if answer.key is not None and results_of_key.setdefault(answer.key, answer.body) != answer.body:
                yield f"key '{answer.key}' was answered 200 with different bytes"
        else:
            told = answer.error()
            info = error_info(told) if told else None
            saga_id = info.metadata.get("saga_id", "") if info else ""
            if not saga_id or info.reason in NOT_THE_SAGAS_ANSWER:
                continue
            stored = status_pb2.Status.FromString
        saga = state.sagas.get(saga_id)
        if saga is None:
            yield f"saga {saga_id} was answered {answer.status} (key {answer.key}) and is not in the journal"
            continue
        if bodies.setdefault(saga_id, answer.body) != answer.body:
            yield f"saga {saga_id} answered its callers with different bytes (key {answer.key})"
        kept = saga.record.result if answer.status == 200 else saga.record.error
        # As JSON: the order of an ErrorInfo's map entries means nothing.
        if json_format.MessageToDict(stored(kept)) != json_format.MessageToDict(told):
            yield (f"saga {saga_id} is {saga.state} and stores another answer than its {answer.status} "
                   f"(key {answer.key})")


def duplicates_attach(state, answers):
    """5"""
    for (_, _, _, key), sagas in _sagas_by_key(state).items():
        for first, second in itertools.pairwise(sagas):
            if not first.final or first.updated_ms > second.created_ms:
                yield f"saga {second.saga_id} started while saga {first.saga_id} had the key '{key}'"
    # Two calls with one key that were open at once: one ran, so both name it, unless it failed and left the key free.
    calls = collections.defaultdict(list)
    for answer in answers:
        if answer.is_process and answer.key is not None and answer.status == 200:
            calls[answer.key].append(answer)
    for key, same in calls.items():
        same.sort(key=lambda answer: answer.started)
        for first, second in itertools.pairwise(same):
            ids = first.result().saga_id, second.result().saga_id
            if second.started < first.ended and ids[0] != ids[1]:
                yield f"concurrent calls with the key '{key}' ran two sagas, {ids[0]} and {ids[1]}"


def tombstones_hold(state, answers):
    """6"""
    orders, customers = _saga_rows(state.orders_barrier), _saga_rows(state.customers_barrier)
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
        if not _succeeded(row, "customers.v1.StockService/ReserveStock") and (reservation.lines or order_id in moved):
            yield f"saga {reservation.owner} never reserved, and stock moved for its order {order_id}"
    for order_id, order in state.orders.items():
        row = orders.get(order.saga_id)
        if row is not None and row.compensating and order.status not in ("CANCELLING", "CANCELLED"):
            yield f"saga {order.saga_id} is compensating at orders, its order {order_id} is {order.status}"


def compensation_follows_the_decision(state, answers):
    """7"""
    orders, customers = _saga_rows(state.orders_barrier), _saga_rows(state.customers_barrier)
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
    rows = {"orders": _saga_rows(state.orders_barrier), "customers": _saga_rows(state.customers_barrier)}
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


def sagas_end(state, answers):
    """9"""
    for saga_id, saga in state.sagas.items():
        if saga.state == "PARKED" and not saga.record.park_reason:
            yield f"saga {saga_id} is PARKED without a reason"
        if saga.state in ("RUNNING", "COMPENSATING"):
            yield f"saga {saga_id} is {saga.state} at rest"
        if saga.state != "RUNNING" and saga.state != "COMPENSATING" and saga.open_owner is not None:
            yield f"saga {saga_id} is {saga.state} and still open for {saga.open_owner}"
    for key in state.keys:
        if key.status == "HELD" and key.saga_id in state.sagas and state.sagas[key.saga_id].final:
            yield f"key '{key.key}' is held by saga {key.saga_id}, which has ended"


def history_only_grows(before, after):
    """2 and 8, of two States of the same databases: what is final stays, epochs rise, the ledger keeps its lines."""
    for order_id, order in before.orders.items():
        now = after.orders.get(order_id)
        saga = before.sagas.get(order.saga_id)
        final = order.status == "CANCELLED" or (order.status == "CONFIRMED" and (saga is None or saga.final))
        if now is None or (final and now != order):
            yield 2, f"order {order_id} was {order.status} for good and is {now.status if now else 'absent'}"
    kept = set(after.movements)
    for movement in before.movements:
        if movement not in kept:
            yield 2, f"movement {movement.movement_id} of {movement.sku} is gone or changed"
    for saga_id, saga in before.sagas.items():
        now = after.sagas.get(saga_id)
        if now is None or (saga.final and now != saga):
            yield 2, f"saga {saga_id} was {saga.state} and is {'absent' if now is None else 'changed'}"
        elif (now.epoch, now.version) < (saga.epoch, saga.version):
            yield 8, (f"saga {saga_id} was written under epoch {saga.epoch}, version {saga.version}, and is at "
                      f"{now.epoch}, {now.version}")
    for name in ("orders_barrier", "customers_barrier"):
        for row, record in getattr(before, name).items():
            now = getattr(after, name).get(row)
            if now is not None and now.epoch < record.epoch:
                yield 8, f"{name} row {row[0]} had seen epoch {record.epoch} and now {now.epoch}"


INVARIANTS = {
    1: stock_adds_up,
    2: orders_and_reservations_agree,
    3: answered_orders_exist,
    4: one_effect_per_key,
    5: duplicates_attach,
    6: tombstones_hold,
    7: compensation_follows_the_decision,
    8: epochs_only_rise,
    9: sagas_end,
}
