"""RetrySaga and CompensateSaga: the ways out for an operator, over REST and gRPC."""

import concurrent.futures
import contextlib
import os
import signal

import grpc
import pytest

from stack import CONFIRM, error_info_of, eventually, fault, saga_metadata
from stubs import coordinator_grpc, coordinator_pb2, customers_pb2, error_info, reason, saga_grpc, saga_pb2, status_of

CANCEL = "orders.v1.OrdersService/CancelOrder"


def saga_of(stack, saga_id):
    return stack.get("coordinator", f"/v1/sagas/{saga_id}").json()


def command(stack, verb, saga_id, why="a test"):
    return stack.post("coordinator", f"/v1/sagas/{saga_id}:{verb}", json={"reason": why})


def reaches(stack, saga_id, state):
    return eventually(lambda: (saga := saga_of(stack, saga_id))["state"] == state and saga)


def events(saga):
    return [entry["event"] for entry in saga["history"]]


@contextlib.contextmanager
def stopped(stack, name):
    pid = stack.processes[name].pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def parked_by_a_stranger(stack, sku, epoch):
    """The id of a saga that parked before any decision, since customers had met this epoch before it came there."""
    request = customers_pb2.ReserveStockRequest(order_id=f"of a stranger {sku}", customer_id=1,
                                                items=[{"sku": "none", "quantity": 1}])
    with stopped(stack, "orders"):
        reply = stack.process([(sku, 2)], **{"Prefer": "respond-async", "Idempotency-Key": sku})
        assert reply.status_code == 202, reply.text
        saga_id = reply.json()["saga_id"]
        with pytest.raises(grpc.RpcError) as error:
            stack.stock().ReserveStock(request, metadata=saga_metadata(saga_id, "of a stranger", "action", epoch))
        assert error.value.code() == grpc.StatusCode.NOT_FOUND
    saga = reaches(stack, saga_id, "PARKED")
    assert saga["park_reason"] == f"EPOCH_AHEAD: a participant has met epoch {epoch}"
    assert not saga["error"]
    return saga_id


@pytest.mark.parametrize("epoch", [1000, 2**62])
def test_a_saga_that_a_higher_epoch_parked_is_retried_above_it_and_succeeds(stack, sku, epoch):
    saga_id = parked_by_a_stranger(stack, sku, epoch)
    reply = command(stack, "retry", saga_id, "the stranger is gone")
    assert reply.status_code == 200, reply.text
    assert reply.json()["state"] == "RUNNING" and reply.json()["epoch"] == str(epoch + 1)
    saga = reaches(stack, saga_id, "SUCCEEDED")
    assert events(saga) == ["PARKED", "RETRY_SAGA"]
    assert saga["history"][1]["reason"] == "the stranger is gone"
    assert (saga["history"][1]["state_before"], saga["history"][1]["state_after"]) == ("PARKED", "RUNNING")
    assert stack.counts(sku) == (98, 0, 2)
    again = stack.process([(sku, 2)], **{"Idempotency-Key": sku})
    assert again.json()["saga_id"] == saga_id and again.headers["Idempotent-Replayed"] == "true"


def test_an_epoch_that_leaves_none_above_it_is_a_refusal_and_overflows_nothing(stack, sku):
    saga_id = parked_by_a_stranger(stack, sku, 2**63 - 1)
    for verb in ("retry", "compensate"):
        reply = command(stack, verb, saga_id)
        assert reply.status_code == 400 and error_info_of(reply)["reason"] == "SAGA_EPOCH_EXHAUSTED"
    saga = saga_of(stack, saga_id)
    assert (saga["state"], saga["epoch"], events(saga)) == ("PARKED", "1", ["PARKED"])


def test_a_parked_saga_is_compensated_and_leaves_its_key_free(stack, sku):
    saga_id = parked_by_a_stranger(stack, sku, 7)
    stub = stack.sagas()
    saga = stub.CompensateSaga(saga_pb2.CompensateSagaRequest(saga_id=saga_id, reason="not wanted"), timeout=10).saga
    assert saga.state == saga_pb2.Saga.COMPENSATING and saga.epoch == 8
    assert [entry.reason for entry in saga.history][1:] == ["not wanted"]
    saga = reaches(stack, saga_id, "COMPENSATED")
    assert saga["error"]["details"][0]["reason"] == "COMPENSATED_BY_OPERATOR" and saga["error"]["code"] == 10
    assert stack.counts(sku) == (100, 0, 0)
    again = stack.process([(sku, 2)], **{"Idempotency-Key": sku})
    assert again.status_code == 200 and again.json()["saga_id"] != saga_id


def test_a_running_saga_is_compensated_and_its_caller_is_told_so(stack, sku):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        caller = pool.submit(stack.process, [(sku, 2)], **fault(CONFIRM, abort=14), **{"Idempotency-Key": sku})
        eventually(lambda: stack.counts(sku) == (98, 2, 0))
        [saga] = stack.get("coordinator", f"/v1/sagas?idempotency_key={sku}").json()["sagas"]
        refused = command(stack, "retry", saga["saga_id"])
        assert refused.status_code == 400 and error_info_of(refused)["reason"] == "SAGA_NOT_PARKED"
        reply = command(stack, "compensate", saga["saga_id"])
        assert reply.status_code == 200 and reply.json()["state"] == "COMPENSATING"
        told = caller.result()
    assert told.status_code == 409 and error_info_of(told)["reason"] == "COMPENSATED_BY_OPERATOR"
    assert error_info_of(told)["metadata"]["saga_id"] == saga["saga_id"]
    assert reaches(stack, saga["saga_id"], "COMPENSATED")["failed_step"] == ""
    assert stack.counts(sku) == (100, 0, 0)


def test_a_compensation_that_is_refused_again_parks_again_and_keeps_the_cause(stack, sku):
    before = stack.metric("coordinator", "sagamesh_saga_commands_total", command="retry", outcome="done")
    reply = stack.process([(sku, 101)], **fault(CANCEL, abort=9), **{"Idempotency-Key": sku})
    saga_id = error_info_of(reply)["metadata"]["saga_id"]
    assert command(stack, "retry", saga_id).json()["state"] == "COMPENSATING"
    saga = reaches(stack, saga_id, "PARKED")
    assert saga["park_reason"].startswith("COMPENSATION_REFUSED: FAULT_INJECTED")
    assert events(saga) == ["DECIDED_TO_COMPENSATE", "PARKED", "RETRY_SAGA", "PARKED"]
    assert saga["history"][0]["reason"] == "create_order: INSUFFICIENT_STOCK"
    assert saga["error"]["message"] == reply.json()["message"]
    after = stack.metric("coordinator", "sagamesh_saga_commands_total", command="retry", outcome="done")
    assert after == before + 1


def test_a_saga_that_took_too_long_has_as_much_time_again(own_stack):
    stack = own_stack(flags={"coordinator": ["--compensation-wait=100ms", "--participant-retention=2s"]})
    reply = stack.process([("prod-123", 1000)], **fault(CANCEL, abort=14))
    saga_id = error_info_of(reply)["metadata"]["saga_id"]
    assert reaches(stack, saga_id, "PARKED")["park_reason"] == "UNFINISHED_TOO_LONG"
    attempts = saga_of(stack, saga_id)["compensation_attempts"]
    assert command(stack, "retry", saga_id).json()["state"] == "COMPENSATING"
    saga = reaches(stack, saga_id, "PARKED")
    assert saga["park_reason"] == "UNFINISHED_TOO_LONG" and saga["compensation_attempts"] > attempts
    assert events(saga)[1:] == ["PARKED", "RETRY_SAGA", "PARKED"]


@pytest.mark.skipif("SAGAMESH_TEST_ENGINE" not in os.environ, reason="two replicas need a database server")
def test_a_command_at_one_replica_reaches_the_callers_of_another(own_stack):
    stack = own_stack(replicas=2)
    request = coordinator_pb2.ProcessOrderRequest(customer_id=1, items=[{"sku": "prod-123", "quantity": 1}])
    metadata = [*fault(CONFIRM, abort=14).items(), ("idempotency-key", "wanted")]

    def call(replica):
        stub = coordinator_grpc.CoordinatorServiceStub(stack.channel(replica))
        return stub.ProcessOrder.future(request, metadata=metadata, timeout=30)

    at_the_owner = call("coordinator")
    [saga] = eventually(stack.open_sagas)
    at_the_other = call("coordinator-2")
    wanted = saga_pb2.CompensateSagaRequest(saga_id=saga["saga_id"], reason="called off")
    taken = saga_grpc.SagaServiceStub(stack.channel("coordinator-2")).CompensateSaga(wanted, timeout=10).saga
    assert taken.owner != saga["owner"] and taken.epoch == 2
    for told in (at_the_other.exception(), at_the_owner.exception()):
        assert told.code() == grpc.StatusCode.ABORTED and reason(told) == "COMPENSATED_BY_OPERATOR"
        assert error_info(told).metadata["saga_id"] == saga["saga_id"]
    assert stack.counts("prod-123") == (100, 0, 0)


BAD_REASONS = [({}, "reason"), ({"reason": ""}, "reason"), ({"reason": "x" * 1025}, "reason"),
               ({"reason": "a\u0000b"}, "reason"), ({"reason": "a\nb"}, "reason"), ({"reason": 7}, "reason"),
               ({"reason": "x", "force": True}, "force")]


@pytest.mark.parametrize("verb", ["retry", "compensate"])
@pytest.mark.parametrize("body,field", BAD_REASONS, ids=range(len(BAD_REASONS)))
def test_a_bad_reason_is_refused_by_its_name(stack, verb, body, field):
    reply = stack.post("coordinator", f"/v1/sagas/none:{verb}", json=body)
    assert reply.status_code == 400 and field in reply.json()["message"], reply.text


@pytest.mark.parametrize("verb", ["retry", "compensate"])
def test_a_saga_that_is_none_or_has_ended_is_a_refusal(stack, sku, verb):
    reply = command(stack, verb, "none")
    assert reply.status_code == 404 and error_info_of(reply)["reason"] == "SAGA_NOT_FOUND"
    saga_id = stack.process([(sku, 1)]).json()["saga_id"]
    reply = command(stack, verb, saga_id)
    assert reply.status_code == 400 and error_info_of(reply)["reason"] == "SAGA_FINAL"
    assert stack.get("coordinator", f"/v1/sagas/{saga_id}:{verb}").status_code == 405


def test_errors_over_grpc_carry_the_sagas_id_and_the_fields_name(stack, sku):
    stub = stack.sagas()
    with pytest.raises(grpc.RpcError) as error:
        stub.RetrySaga(saga_pb2.RetrySagaRequest(saga_id="x", reason="\x01"), timeout=10)
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT and "reason" in error.value.details()
    assert len(status_of(error.value).details) == 2  # ErrorInfo and BadRequest
    saga_id = stack.process([(sku, 1)]).json()["saga_id"]
    with pytest.raises(grpc.RpcError) as error:
        stub.CompensateSaga(saga_pb2.CompensateSagaRequest(saga_id=saga_id, reason="x"), timeout=10)
    assert reason(error.value) == "SAGA_FINAL" and error_info(error.value).metadata["saga_id"] == saga_id
