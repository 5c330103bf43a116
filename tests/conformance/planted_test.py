"""The checker passes a real run, and catches each violation that is planted into a copy of it."""

import json
import pathlib
import subprocess
import sys

import pytest

import answers
from invariants import INVARIANTS
from real_run import SKU, Run

CHECK = pathlib.Path(__file__).resolve().parent / "check.py"
STRANGER = "01900000-0000-7000-8000-000000000001"
PLANTS = []
HISTORY_PLANTS = []


def plants(number, into=PLANTS):
    """A function that plants a violation of invariant `number` into a Run; returns what the message must contain."""
    def add(plant):
        into.append(pytest.param(number, plant, id=f"{number}-{plant.__name__}"))
        return plant
    return add


# 1


@plants(1)
def a_unit_is_lost(run):
    run.sql("customers", "UPDATE products SET available=available-1 WHERE sku=?", SKU)
    return f"product {SKU} has the balances"


@plants(1)
def a_balance_is_negative(run):
    run.sql("customers", "UPDATE products SET available=-1, reserved=available+reserved+1 WHERE sku=?", SKU)
    return f"product {SKU} has a negative balance"


@plants(1)
def an_order_makes_units(run):
    run.sql("customers", "UPDATE movements SET available=available+1 WHERE kind='release'")
    run.sql("customers", "UPDATE products SET available=available+(SELECT COUNT(*) FROM movements WHERE kind='release')"
                         " WHERE sku=?", SKU)
    return "were brought"


@plants(1)
def an_answered_restock_is_lost(run):
    run.sql("customers", "UPDATE products SET available=available-7 WHERE sku=?", SKU)
    run.sql("customers", "DELETE FROM movements WHERE kind='restock'")
    return "was answered 7 restocked units of 7 that were asked for, its movements hold 0"


@plants(1)
def a_restock_came_twice(run):
    run.sql("customers", "UPDATE products SET available=available+7 WHERE sku=?", SKU)
    run.sql("customers", "INSERT INTO movements SELECT sku, ?, kind, order_id, available, reserved, sold, created_ms "
                         "FROM movements WHERE kind='restock'", STRANGER)
    return "was answered 7 restocked units of 7 that were asked for, its movements hold 14"


# 2


@plants(2)
def a_cancelled_order_is_confirmed_again(run):
    _, order_id = run.saga("definite")
    run.sql("orders", "UPDATE orders SET status=3 WHERE order_id=?", order_id)
    return f"order {order_id}"


@plants(2)
def a_confirmed_orders_stock_is_back(run):
    _, order_id = run.saga("at-once")
    run.sql("customers", "UPDATE reservations SET status=3 WHERE order_id=?", order_id)
    return f"order {order_id}"


@plants(2)
def a_reservation_is_committed_twice(run):
    _, order_id = run.saga("at-once")
    run.sql("customers", "INSERT INTO movements SELECT sku, movement_id||'2', kind, order_id, available, reserved, "
                         "sold, created_ms FROM movements WHERE order_id=? AND kind='commit'", order_id)
    return f"reservation of order {order_id} is COMMITTED, its movements"


@plants(2)
def a_reservation_is_of_no_order(run):
    run.sql("customers", "INSERT INTO reservations SELECT ?, '', 1, 1, item_lines, updated_ms FROM reservations "
                         "WHERE status=2 LIMIT 1", STRANGER)
    return f"reservation of order {STRANGER}"


@plants(2)
def an_order_outlives_its_saga(run):
    _, order_id = run.saga("definite")
    run.sql("orders", "UPDATE orders SET status=2 WHERE order_id=?", order_id)
    return "is CREATED, and its saga has ended"


@plants(2)
def a_direct_order_outlives_its_time(run):
    run.sql("orders", "INSERT INTO orders SELECT ?, customer_id, 2, item_lines, total_cents, '', created_ms, "
                      "created_ms - 60000 FROM orders LIMIT 1", STRANGER)
    return f"order {STRANGER} of a direct caller is CREATED, and its time ran out"


@plants(2)
def an_answered_cancel_is_taken_back(run):
    order_id = next(json.loads(a.body)["order_id"] for a in run.answers if a.path.endswith("/cancel"))
    run.sql("orders", "UPDATE orders SET status=3 WHERE order_id=?", order_id)
    return f"order {order_id} was answered CANCELLED and is CONFIRMED"


# 3


@plants(3)
def an_answered_order_is_gone(run):
    order_id = run.told("at-once")["order_id"]
    run.sql("orders", "DELETE FROM orders WHERE order_id=?", order_id)
    return f"order {order_id}"


@plants(3)
def an_answered_order_is_cancelled(run):
    order_id = run.told("at-once")["order_id"]
    run.sql("orders", "UPDATE orders SET status=5 WHERE order_id=?", order_id)
    return f"order {order_id}"


@plants(3)
def an_answered_order_costs_something_else(run):
    order_id = run.told("at-once")["order_id"]
    run.sql("orders", "UPDATE orders SET total_cents=1 WHERE order_id=?", order_id)
    return "is not what was answered"


@plants(3)
def an_answered_order_is_anothers(run):
    order_id = run.told("at-once")["order_id"]
    run.sql("orders", "UPDATE orders SET customer_id=2 WHERE order_id=?", order_id)
    return "is not what was asked for"


# 4


@plants(4)
def a_caller_gets_other_bytes(run):
    body = next(a.body for a in run.answers if a.key == "at-once")
    run.edit_answer(lambda a: a.key == "at-once", body=body.replace(":", ": "))
    return "with different bytes"


@plants(4)
def an_error_is_not_what_the_saga_stores(run):
    for _ in range(2):
        body = next(a.body for a in run.answers if a.key == "too-much")
        run.edit_answer(lambda a: a.key == "too-much", body=body.replace("disponible", "disponibles"))
    return f"saga {run.saga('too-much')[0]} is COMPENSATED and stores another answer"


@plants(4)
def an_answered_saga_is_gone(run):
    saga_id, _ = run.saga("too-much")
    run.sql("coordinator", "DELETE FROM sagas WHERE saga_id=?", saga_id)
    return f"saga {saga_id} was answered 400"


@plants(4)
def a_key_has_two_results(run):
    saga_id, _ = run.saga("at-once")
    run.copy_saga(saga_id, STRANGER, later_ms=1)
    return "key 'at-once' was answered by two sagas"


@plants(4)
def a_step_has_two_effects(run):
    saga_id, _ = run.saga("at-once")
    run.edit_barrier("customers", saga_id, lambda record: record.results.append(record.results[0]))
    return f"barrier row {saga_id} (saga) of customers has 2 results"


@plants(4)
def a_saga_has_two_orders(run):
    saga_id, order_id = run.saga("at-once")
    run.sql("orders", "INSERT INTO orders SELECT ?, customer_id, status, item_lines, total_cents, saga_id, created_ms, "
                      "sweep_ms FROM orders WHERE order_id=?", STRANGER, order_id)
    return f"saga {saga_id} made 2 orders"


# 5


@plants(5)
def a_duplicate_runs_beside_the_first(run):
    saga_id, _ = run.saga("reply-lost")
    run.copy_saga(saga_id, STRANGER, later_ms=-2)
    return f"saga {STRANGER} started while saga {saga_id} had the key 'reply-lost'"


@plants(5)
def concurrent_callers_are_answered_by_two_sagas(run):
    body = dict(run.told("at-once"), saga_id=STRANGER)
    run.edit_answer(lambda a: a.key == "at-once", body=json.dumps(body))
    return "concurrent calls with the key 'at-once' ran two sagas"


# 6


@plants(6)
def a_compensated_saga_left_no_mark(run):
    saga_id, _ = run.saga("definite")
    run.edit_barrier("orders", saga_id, lambda record: record.ClearField("compensating"))
    return f"saga {saga_id} is COMPENSATED and has left no mark at orders"


@plants(6)
def a_late_action_was_accepted(run):
    saga_id, _ = run.saga("definite")
    def late(record):
        action = record.results[0]
        del record.results[0]
        record.results.append(action)
    run.edit_barrier("orders", saga_id, late)
    return f"barrier row {saga_id} of orders has a result of orders.v1.OrdersService/CreateOrder after the compensation"


@plants(6)
def a_late_reservation_has_an_effect(run):
    saga_id, _ = run.saga("too-much")
    [[order_id]] = run.sql("customers", "SELECT order_id FROM reservations WHERE owner=?", saga_id)
    run.sql("customers", "UPDATE reservations SET status=1 WHERE order_id=?", order_id)
    return f"saga {saga_id} is compensating at customers, its reservation is RESERVED"


@plants(6)
def stock_moved_for_a_null_compensation(run):
    saga_id, _ = run.saga("too-much")
    [[order_id]] = run.sql("customers", "SELECT order_id FROM reservations WHERE owner=?", saga_id)
    run.sql("customers", "INSERT INTO movements VALUES (?, ?, 'release', ?, 1, -1, 0, 0)", SKU, "late", order_id)
    return f"stock moved for its order {order_id}"


# 7


@plants(7)
def a_saga_succeeded_and_compensates(run):
    saga_id, _ = run.saga("at-once")
    run.edit_barrier("orders", saga_id, lambda record: setattr(record, "compensating", True))
    return f"saga {saga_id} is SUCCEEDED and compensating at orders"


@plants(7)
def a_compensation_went_before_the_decision(run):
    saga_id, _ = run.saga("definite")
    run.sql("coordinator", "UPDATE sagas SET phase=1 WHERE saga_id=?", saga_id)
    run.edit_saga(saga_id, lambda record: record.ClearField("error"))
    return f"saga {saga_id} is RUNNING and compensating at orders and customers"


@plants(7)
def a_compensated_saga_has_a_result_too(run):
    saga_id, _ = run.saga("definite")
    run.edit_saga(saga_id, lambda record: setattr(record, "result", b"\x0a\x01x"))
    return f"saga {saga_id} is COMPENSATED and stores a result"


@plants(7)
def steps_are_undone_in_the_order_they_were_done(run):
    saga_id, _ = run.saga("reply-lost")
    def undo_forwards(record):
        [undone] = [r for r in record.results if r.compensation]
        later = record.results.add()
        later.CopyFrom(undone)
        later.step = "confirm_order"
    run.edit_barrier("orders", saga_id, undo_forwards)
    return f"barrier row {saga_id} of orders did the steps ['create_order', 'confirm_order'] and undid"


# 8


@plants(8)
def a_participant_has_seen_an_epoch_that_the_journal_never_had(run):
    saga_id, _ = run.saga("at-once")
    run.edit_barrier("customers", saga_id, lambda record: setattr(record, "epoch", 9))
    return f"barrier row {saga_id} of customers has seen epoch 9, the journal has 1"


@plants(8)
def a_lower_epoch_ended_the_saga(run):
    saga_id, _ = run.saga("crash")
    run.edit_barrier("orders", saga_id, lambda record: setattr(record, "epoch", 1))
    return f"saga {saga_id} was ended under epoch 2, orders has seen 1"


@plants(8)
def a_barrier_row_is_lost_and_its_later_result_is_not(run):
    saga_id, _ = run.saga("at-once")
    run.sql("orders", "DELETE FROM barrier WHERE id=? AND scope='saga'", saga_id)
    return f"barrier row {saga_id} (saga/001) of orders is left without its saga's epoch and mark"


@plants(8)
def a_participant_knows_a_saga_that_the_journal_does_not(run):
    run.sql("customers", "UPDATE barrier SET id=? WHERE id=?", STRANGER, run.saga("definite")[0])
    return f"barrier row {STRANGER} of customers is of no saga"


# 9


@plants(9)
def a_saga_does_not_end(run):
    saga_id, _ = run.saga("definite")
    run.sql("coordinator", "UPDATE sagas SET phase=2 WHERE saga_id=?", saga_id)
    return f"saga {saga_id} is COMPENSATING at rest"


@plants(9)
def a_saga_is_parked_without_a_reason(run):
    saga_id, _ = run.saga("definite")
    run.sql("coordinator", "UPDATE sagas SET phase=3 WHERE saga_id=?", saga_id)
    return f"saga {saga_id} is PARKED without a reason"


@plants(9)
def a_history_has_a_gap(run):
    saga_id, _ = run.saga("compensated")
    run.edit_saga(saga_id, lambda record: record.history.add(before=3, after=2))
    return f"saga {saga_id} has a history with a gap, from 2 to 3"


@plants(9)
def a_history_leads_elsewhere(run):
    saga_id, _ = run.saga("definite")
    run.edit_saga(saga_id, lambda record: record.history.pop())
    run.edit_saga(saga_id, lambda record: record.history.add(before=1, after=3))
    return f"saga {saga_id} is COMPENSATED and its history ends PARKED"


@plants(9)
def a_parking_tells_another_reason(run):
    saga_id, _ = run.saga("definite")
    run.sql("coordinator", "UPDATE sagas SET phase=3 WHERE saga_id=?", saga_id)
    run.edit_saga(saga_id, lambda record: record.history.add(before=2, after=3, reason=b"another"))
    return f"saga {saga_id} is PARKED for another reason than its history tells"


# Between two looks at the same databases.


@plants(2, into=HISTORY_PLANTS)
def a_final_order_changed(run):
    _, order_id = run.saga("definite")
    run.sql("orders", "UPDATE orders SET total_cents=total_cents+1 WHERE order_id=?", order_id)
    return f"order {order_id} was CANCELLED for good"


@plants(2, into=HISTORY_PLANTS)
def a_movement_is_gone(run):
    run.sql("customers", "DELETE FROM movements WHERE kind='reversal'")
    return "/reversal of prod-123 is gone"


@plants(2, into=HISTORY_PLANTS)
def a_final_saga_was_written_again(run):
    saga_id, _ = run.saga("at-once")
    run.sql("coordinator", "UPDATE sagas SET version=version+1 WHERE saga_id=?", saga_id)
    return f"saga {saga_id} was SUCCEEDED and is changed"


@plants(8, into=HISTORY_PLANTS)
def a_barrier_row_fell_back(run):
    saga_id, _ = run.saga("crash")
    run.edit_barrier("orders", saga_id, lambda record: setattr(record, "epoch", 1))
    return f"row {saga_id} had seen epoch 2 and now 1"


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    with Run.real(tmp_path_factory.mktemp("real")) as run:
        yield run


@pytest.fixture
def copy(real, tmp_path):
    with real.copied(tmp_path) as run:
        yield run


def checker(run, answers_path):
    answers.write(answers_path, run.answers)
    return subprocess.run(
        [sys.executable, "-B", CHECK, *(f"--{name}={database}" for name, database in run.databases.items()),
         f"--answers={answers_path}"], capture_output=True, text=True, timeout=60)


def test_a_real_run_keeps_every_invariant(real, tmp_path):
    state, violations = real.check()
    assert violations == []
    assert {saga.epoch for saga in state.sagas.values()} == {1, 2}
    assert {movement.kind for movement in state.movements} == {"initial", "restock", "reserve", "commit", "release",
                                                               "reversal"}
    assert real.check(before=state)[1] == []
    program = checker(real, tmp_path / "answers.jsonl")
    assert (program.returncode, program.stdout) == (0, ""), program.stderr


@pytest.mark.parametrize("number, plant", PLANTS)
def test_a_planted_violation_is_caught(copy, number, plant):
    expected = plant(copy)
    _, violations = copy.check()
    assert any(n == number and expected in what for n, what in violations), (expected, violations)


@pytest.mark.parametrize("number, plant", HISTORY_PLANTS)
def test_a_planted_change_of_what_was_final_is_caught(copy, number, plant):
    before, _ = copy.check()
    expected = plant(copy)
    _, violations = copy.check(before=before)
    assert any(n == number and expected in what for n, what in violations), (expected, violations)


def test_the_program_prints_each_violation_and_fails(real, tmp_path):
    run = Run(real.databases, real.answers)
    expected = a_caller_gets_other_bytes(run)
    program = checker(run, tmp_path / "answers.jsonl")
    assert program.returncode == 1
    assert any(line.startswith("4: ") and expected in line for line in program.stdout.splitlines())


def test_every_invariant_has_a_plant():
    assert {param.values[0] for param in PLANTS} == set(INVARIANTS)
