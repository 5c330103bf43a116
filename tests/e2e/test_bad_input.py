"""Bad input: the right code, the field's name in the message, and no effect."""

import json
import socket

import grpc
import pytest
import requests

from stubs import customers_pb2, orders_pb2, saga_pb2

OK_ITEM = '{"sku":"prod-123","quantity":1}'


def raw(stack, body, path="/dev/orders/process", face="coordinator", content_type="application/json"):
    if isinstance(body, str):
        body = body.encode()
    return stack.rest.post(stack.url(face, path), data=body, headers={"Content-Type": content_type}, timeout=40)


BAD = [
    ("malformed json", '{"customer_id":1,"items":[', None),
    ("not json", "hello", None),
    ("empty", "", None),
    ("null", "null", None),
    ("array", "[]", None),
    ("trailing garbage", '{"customer_id":1,"items":[%s]} x' % OK_ITEM, None),
    ("customer as text", '{"customer_id":"abc","items":[%s]}' % OK_ITEM, "customer_id"),
    ("customer missing", '{"items":[%s]}' % OK_ITEM, "customer_id"),
    ("customer zero", '{"customer_id":0,"items":[%s]}' % OK_ITEM, "customer_id"),
    ("customer negative", '{"customer_id":-1,"items":[%s]}' % OK_ITEM, "customer_id"),
    ("customer huge", '{"customer_id":4294967296,"items":[%s]}' % OK_ITEM, "customer_id"),
    ("customer 1e400", '{"customer_id":1e400,"items":[%s]}' % OK_ITEM, "customer_id"),
    ("customer fraction", '{"customer_id":1.5,"items":[%s]}' % OK_ITEM, "customer_id"),
    ("items missing", '{"customer_id":1}', "items"),
    ("items empty", '{"customer_id":1,"items":[]}', "items"),
    ("items not a list", '{"customer_id":1,"items":7}', "items"),
    ("items too many", json.dumps({"customer_id": 1, "items": [{"sku": "prod-123", "quantity": 1}] * 101}), "items"),
    ("unknown field", '{"customer_id":1,"items":[%s],"coupon":"x"}' % OK_ITEM, "coupon"),
    ("unknown field of an item", '{"customer_id":1,"items":[{"sku":"prod-123","quantity":1,"color":"x"}]}', "color"),
    ("quantity missing", '{"customer_id":1,"items":[{"sku":"prod-123"}]}', "items[0].quantity"),
    ("quantity zero", '{"customer_id":1,"items":[{"sku":"prod-123","quantity":0}]}', "items[0].quantity"),
    ("quantity negative", '{"customer_id":1,"items":[{"sku":"prod-123","quantity":-5}]}', "items[0].quantity"),
    ("quantity over a billion", '{"customer_id":1,"items":[{"sku":"prod-123","quantity":1000000001}]}',
     "items[0].quantity"),
    ("quantity over a billion merged",
     '{"customer_id":1,"items":[{"sku":"prod-123","quantity":1000000000},%s]}' % OK_ITEM, "items[1].quantity"),
    ("quantity over int32", '{"customer_id":1,"items":[{"sku":"prod-123","quantity":2147483648}]}', "quantity"),
    ("quantity 1e400", '{"customer_id":1,"items":[{"sku":"prod-123","quantity":1e400}]}', "quantity"),
    ("quantity as text", '{"customer_id":1,"items":[{"sku":"prod-123","quantity":"many"}]}', "quantity"),
    ("quantity as object", '{"customer_id":1,"items":[{"sku":"prod-123","quantity":{}}]}', "quantity"),
    ("sku missing", '{"customer_id":1,"items":[{"quantity":1}]}', "items[0].sku"),
    ("sku empty", '{"customer_id":1,"items":[{"sku":"","quantity":1}]}', "items[0].sku"),
    ("sku long", '{"customer_id":1,"items":[{"sku":"%s","quantity":1}]}' % ("x" * 65), "items[0].sku"),
    ("sku number", '{"customer_id":1,"items":[{"sku":7,"quantity":1}]}', "sku"),
    ("sku with NUL", '{"customer_id":1,"items":[{"sku":"a\\u0000b","quantity":1}]}', "items[0].sku"),
    ("sku of bad utf-8", b'{"customer_id":1,"items":[{"sku":"\xc3\x28","quantity":1}]}', None),
    ("sku of a lone surrogate", '{"customer_id":1,"items":[{"sku":"\\ud800","quantity":1}]}', None),
]


@pytest.mark.parametrize("body,field", [(b, f) for _, b, f in BAD], ids=[n for n, _, _ in BAD])
def test_a_bad_order_is_refused_with_its_fields_name(stack, body, field):
    before = stack.product("prod-123")
    started = stack.metric("coordinator", "sagamesh_saga_requests_total", outcome="started")
    reply = raw(stack, body)
    assert reply.status_code == 400, reply.text
    error = reply.json()
    assert set(error) == {"code", "message", "details"}
    assert error["code"] == 3
    if field:
        assert field in error["message"]
    assert stack.product("prod-123") == before
    assert stack.metric("coordinator", "sagamesh_saga_requests_total", outcome="started") == started


def test_a_body_over_a_mebibyte_is_refused(stack):
    reply = raw(stack, '{"customer_id":1,"items":[],"x":"%s"}' % ("x" * (2 << 20)))
    assert reply.status_code == 413
    assert set(reply.json()) == {"code", "message", "details"}


def test_a_request_without_a_body_is_refused(stack):
    with socket.create_connection(("127.0.0.1", stack.port["rest_coordinator"]), timeout=10) as s:
        s.sendall(b"POST /dev/orders/process HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        assert s.recv(4096).startswith(b"HTTP/1.1 400")


def test_unknown_customers_and_skus_are_404_with_their_name(stack, sku):
    reply = stack.process([(sku, 1)], customer_id=4_000_000)
    assert reply.status_code == 404 and "4000000" in reply.json()["message"]
    reply = stack.process([("no-such-sku", 1)])
    assert reply.status_code == 404 and "no-such-sku" in reply.json()["message"]
    assert stack.counts(sku) == (100, 0, 0)


def test_a_total_that_overflows_is_refused(stack, sku):
    dear = stack.new_product(sku + "-dear", available=2_000_000_000, price_cents=1_000_000_000_000)
    dear2 = stack.new_product(sku + "-dear2", available=2_000_000_000, price_cents=1_000_000_000_000)
    reply = stack.process([(dear, 9_000_000), (dear2, 9_000_000)])
    assert reply.status_code == 400, reply.text
    assert stack.counts(dear) == (2_000_000_000, 0, 0)


def test_wrong_paths_and_methods_answer_in_the_same_shape(stack):
    for reply, http in ((stack.get("coordinator", "/nowhere"), 404),
                        (stack.get("coordinator", "/dev/orders/process"), 405),
                        (stack.get("orders", "/orders/no-such-order"), 404),
                        (stack.get("customers", "/customers/999999"), 404),
                        (stack.get("coordinator", "/v1/sagas/no-such-saga"), 404)):
        assert reply.status_code == http, reply.text
        assert set(reply.json()) == {"code", "message", "details"}


def test_names_that_are_too_long_are_refused_by_their_field_and_not_repeated(stack):
    long = "x" * 20_000
    sagas = stack.sagas()
    for call, request, field in (
            (stack.orders().GetOrder, orders_pb2.GetOrderRequest(order_id=long), "order_id"),
            (stack.stock().GetProduct, customers_pb2.GetProductRequest(sku=long), "sku"),
            (sagas.GetSaga, saga_pb2.GetSagaRequest(saga_id=long), "saga_id"),
            (sagas.StartSaga, saga_pb2.StartSagaRequest(definition=long), "definition")):
        with pytest.raises(grpc.RpcError) as error:
            call(request)
        assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT and field in error.value.details()
    for face, path in (("orders", "/orders/"), ("customers", "/products/"), ("coordinator", "/v1/sagas/")):
        reply = stack.get(face, path + long)
        assert reply.status_code == 400 and len(reply.content) < 1000


def test_bad_keys_are_refused_by_name(stack, sku):
    for key in ("x" * 256, ""):
        reply = stack.process([(sku, 1)], **{"Idempotency-Key": key})
        assert reply.status_code == 400
        assert "idempotency-key" in reply.json()["message"].lower()
    reply = stack.process([(sku, 1)], **{"Idempotency-Key": "a", "X-Idempotency-Key": "b"})
    assert reply.status_code == 400
    assert stack.counts(sku) == (100, 0, 0)


def test_a_clients_grpc_headers_are_not_passed_on(stack, sku):
    reply = stack.process([(sku, 1)], **{"Grpc-Metadata-Saga-Id": "x", "Grpc-Timeout": "1n",
                                         "Grpc-Metadata-Idempotency-Key": "k", "X-HTTP-Method-Override": "GET"})
    assert reply.status_code == 200
    assert not stack.get("coordinator", "/v1/sagas?idempotency_key=k").json()["sagas"]


@pytest.mark.parametrize("face,path,body,field", [
    ("customers", "/customers", {"name": ""}, "name"),
    ("customers", "/customers", {"name": "x" * 201}, "name"),
    ("customers", "/products", {"sku": "", "name": "x", "price_cents": 1, "available": 1}, "sku"),
    ("customers", "/products", {"sku": "p", "name": "x", "price_cents": -1, "available": 1}, "price_cents"),
    ("customers", "/products", {"sku": "p", "name": "x", "price_cents": 1, "available": -1}, "available"),
    ("customers", "/products/prod-123/restock", {"quantity": 0}, "quantity"),
    ("customers", "/products/prod-123/restock", {"quantity": -1}, "quantity"),
    ("orders", "/orders", {"order_id": "mine", "customer_id": 1, "items": [{"sku": "prod-123", "quantity": 1}]},
     "order_id"),
    ("orders", "/orders", {"customer_id": 0, "items": [{"sku": "prod-123", "quantity": 1}]}, "customer_id"),
    ("orders", "/orders", {"customer_id": 1, "items": []}, "items"),
])
def test_bad_input_of_the_other_services_is_refused_with_its_fields_name(stack, face, path, body, field):
    reply = stack.post(face, path, json=body)
    assert reply.status_code == 400, reply.text
    assert field in reply.json()["message"]


def test_bad_paging_is_refused_by_name(stack):
    for face, path in (("orders", "/orders"), ("customers", "/customers"), ("customers", "/products"),
                       ("coordinator", "/v1/sagas")):
        assert "page_size" in stack.get(face, f"{path}?page_size=501").json()["message"]
        assert "page_size" in stack.get(face, f"{path}?page_size=-1").json()["message"]
        reply = stack.get(face, f"{path}?page_token=garbage!")
        assert reply.status_code == 400 and "page_token" in reply.json()["message"], reply.text


def test_fault_headers_are_refused_where_faults_are_off(own_stack):
    stack = own_stack(faults=False)
    reply = stack.process([("prod-123", 1)], **{"x-envoy-fault-abort-grpc-request": "13",
                                                "x-sagamesh-fault-method": "orders.v1.OrdersService/ConfirmOrder"})
    assert reply.status_code == 400
    assert stack.product("prod-123")["available"] == 100


def test_an_overlong_request_line_does_not_harm_the_gateway(stack):
    with pytest.raises((requests.RequestException, AssertionError)):
        reply = stack.get("coordinator", "/v1/sagas?idempotency_key=" + "x" * (2 << 20))
        assert reply.status_code == 200
    assert stack.get("coordinator", "/health").status_code == 200
