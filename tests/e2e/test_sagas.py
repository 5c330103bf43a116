"""SagaService: look, list, watch."""

import concurrent.futures

import grpc
import pytest

from stack import CONFIRM, error_info_of, eventually, fault
from stubs import coordinator_pb2, reason, saga_pb2


def request(sku, quantity=1):
    message = coordinator_pb2.ProcessOrderRequest(customer_id=1, items=[{"sku": sku, "quantity": quantity}])
    start = saga_pb2.StartSagaRequest(definition="process_order")
    start.input.Pack(message)
    return start


def test_a_saga_is_found_by_id_and_by_its_explicit_key(stack, sku):
    body = stack.process([(sku, 1)], **{"Idempotency-Key": sku}).json()
    saga = stack.get("coordinator", f"/v1/sagas/{body['saga_id']}").json()
    assert saga["state"] == "SUCCEEDED" and saga["idempotency_key"] == sku
    assert saga["result"]["order_id"] == body["order_id"]
    assert saga["input"]["items"][0]["sku"] == sku
    found = stack.get("coordinator", f"/v1/sagas?idempotency_key={sku}").json()["sagas"]
    assert [s["saga_id"] for s in found] == [body["saga_id"]]


def test_start_saga_answers_at_once_and_refuses_what_it_does_not_know(stack, sku):
    stub = stack.sagas()
    saga = stub.StartSaga(request(sku)).saga
    eventually(lambda: stub.GetSaga(saga_pb2.GetSagaRequest(saga_id=saga.saga_id)).saga.state == saga_pb2.Saga.SUCCEEDED)
    unknown = request(sku)
    unknown.definition = "no_such"
    with pytest.raises(grpc.RpcError) as error:
        stub.StartSaga(unknown)
    assert error.value.code() == grpc.StatusCode.NOT_FOUND and reason(error.value) == "DEFINITION_NOT_FOUND"
    wrong = saga_pb2.StartSagaRequest(definition="process_order")
    wrong.input.Pack(saga_pb2.GetSagaRequest(saga_id="x"))
    with pytest.raises(grpc.RpcError) as error:
        stub.StartSaga(wrong)
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT and "input" in error.value.details()


def test_sagas_are_listed_newest_first_in_pages(stack, sku):
    ids = [stack.process([(sku, 1)], **{"Idempotency-Key": f"{sku}-{i}"}).json()["saga_id"] for i in range(5)]
    page = stack.get("coordinator", "/v1/sagas?page_size=2&state=SUCCEEDED&definition=process_order").json()
    assert [s["saga_id"] for s in page["sagas"]] == [ids[4], ids[3]]
    page = stack.get("coordinator", f"/v1/sagas?page_size=2&state=SUCCEEDED&definition=process_order"
                                    f"&page_token={page['next_page_token']}").json()
    assert [s["saga_id"] for s in page["sagas"]] == [ids[2], ids[1]]


CANCEL = "orders.v1.OrdersService/CancelOrder"


def test_a_refused_compensation_parks_the_saga_and_its_callers_get_the_cause(stack, sku):
    headers = {**fault(CANCEL, abort=9), "Idempotency-Key": sku}
    reply = stack.process([(sku, 101)], **headers)
    assert reply.status_code == 400 and "Stock insuficiente" in reply.json()["message"]
    saga = stack.get("coordinator", f"/v1/sagas?state=PARKED&idempotency_key={sku}").json()["sagas"][0]
    assert saga["park_reason"].startswith("COMPENSATION_REFUSED")
    assert saga["failed_step"] == "create_order" and saga["error"]["message"] == reply.json()["message"]
    assert stack.process([(sku, 101)], **headers).content == reply.content
    assert stack.process([(sku, 1)], **headers).status_code == 422


def test_a_compensation_that_goes_on_failing_is_listed_and_counted_as_stuck(own_stack):
    stack = own_stack(flags={"coordinator": ["--stuck-after=2", "--compensation-wait=100ms"]})
    assert stack.process([("prod-123", 1000)], **fault(CANCEL, abort=14)).status_code == 400
    stuck = eventually(lambda: stack.get("coordinator", "/v1/sagas?stuck=true").json()["sagas"])
    assert len(stuck) == 1 and stuck[0]["state"] == "COMPENSATING" and stuck[0]["compensation_attempts"] >= 2
    assert stack.metric("coordinator", "sagamesh_sagas_stuck_total") == 1


def test_a_saga_that_stays_unfinished_is_parked_before_its_participants_forget_it(own_stack):
    stack = own_stack(flags={"coordinator": ["--participant-retention=3s", "--compensation-wait=100ms"]})
    assert stack.process([("prod-123", 1000)], **fault(CANCEL, abort=14)).status_code == 400
    parked = eventually(lambda: stack.get("coordinator", "/v1/sagas?state=PARKED").json()["sagas"])
    assert parked[0]["park_reason"] == "UNFINISHED_TOO_LONG"


def states_of(stream, saga_id):
    """The states that a watch told of one saga, until a final one."""
    states = []
    for response in stream:
        if response.saga.saga_id == saga_id:
            states.append(saga_pb2.Saga.State.Name(response.saga.state))
            if states[-1] in ("SUCCEEDED", "COMPENSATED"):
                return states, response.resume_token
    raise AssertionError("the stream ended")


def test_a_watch_tells_every_durable_change_and_resumes(stack, sku):
    stub = stack.sagas()
    stream = stub.WatchSagas(saga_pb2.WatchSagasRequest(definition="process_order"), timeout=60)
    stream.initial_metadata()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        reply = pool.submit(stack.process, [(sku, 1)], **fault(CONFIRM, abort=9), **{"Idempotency-Key": sku}).result()
        assert reply.status_code == 400
        saga_id = error_info_of(reply)["metadata"]["saga_id"]
        states, token = states_of(stream, saga_id)
    stream.cancel()
    assert states == ["RUNNING", "COMPENSATING", "COMPENSATED"]

    missed = stack.process([(sku, 1)], **{"Idempotency-Key": sku + "-missed"}).json()["saga_id"]
    resumed = stub.WatchSagas(saga_pb2.WatchSagasRequest(resume_token=token), timeout=60)
    states, _ = states_of(resumed, missed)
    resumed.cancel()
    assert states[-1] == "SUCCEEDED"


def test_a_watch_with_a_bad_token_is_refused(stack):
    with pytest.raises(grpc.RpcError) as error:
        list(stack.sagas().WatchSagas(saga_pb2.WatchSagasRequest(resume_token="garbage!"), timeout=10))
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT and "resume_token" in error.value.details()
