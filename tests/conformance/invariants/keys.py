"""Invariants 4 and 5: one saga and one effect for each idempotency key, and the same bytes for all who ask."""

import collections
import itertools

from google.protobuf import json_format

from answers import error_info
from databases import CONTENT_KEY, EXPLICIT_KEY
from stubs import coordinator_pb2, status_pb2

CONTENT_KEY_WINDOW_MS = 24 * 3600 * 1000  # the coordinator's --content-key-window
# The coordinator's own words about a saga, not the saga's answer.
NOT_THE_SAGAS_ANSWER = ("SAGA_STILL_RUNNING", "TOO_MANY_WAITERS", "SAGA_PARKED", "SHUTTING_DOWN")


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
        if not key.saga_id:
            continue
        if saga is None:
            yield f"{name} is claimed by saga {key.saga_id}, which is not in the journal"
            continue
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
