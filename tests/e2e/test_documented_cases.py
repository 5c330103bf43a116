"""The four documented cases, by REST, in the documented order of trying."""

import re

from stack import CONFIRM, error_info_of, fault


def test_happy_flow_confirms_the_order_and_takes_the_stock(stack, sku):
    reply = stack.process([(sku, 1)])
    assert reply.status_code == 200
    body = reply.json()
    assert body["status"] == "CONFIRMED"
    assert body["customer_id"] == 1
    assert body["items"] == [{"sku": sku, "quantity": 1, "unit_price_cents": "250"}]
    assert body["total_cents"] == "250"
    assert " " not in reply.text and "\n" not in reply.text
    assert stack.counts(sku) == (99, 0, 1)
    assert stack.order(body["order_id"]).json()["status"] == "CONFIRMED"


def test_the_documented_example_runs_on_the_demo_data(stack):
    before = stack.product("prod-123")["available"]
    reply = stack.post("coordinator", "/dev/orders/process",
                       json={"customer_id": 1, "items": [{"sku": "prod-123", "quantity": 1}]})
    assert reply.status_code == 200
    assert stack.product("prod-123")["available"] == before - 1


def test_the_same_json_again_is_answered_from_the_store(stack, sku):
    started = stack.metric("coordinator", "sagamesh_saga_requests_total", outcome="started")
    first = stack.process([(sku, 1)])
    again = stack.process([(sku, 1)])
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.content == first.content
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert stack.counts(sku) == (99, 0, 1)
    assert stack.metric("coordinator", "sagamesh_saga_requests_total", outcome="started") == started + 1


def test_a_failing_confirm_compensates_also_after_the_same_json_succeeded(stack, sku):
    assert stack.process([(sku, 1)]).status_code == 200
    before = stack.counts(sku)
    for code, http in ((13, 500), (9, 400)):
        reply = stack.process([(sku, 1)], **fault(CONFIRM, abort=code))
        assert reply.status_code == http, reply.text
        assert reply.json()["code"] == code
        info = error_info_of(reply)
        assert info["reason"] == "FAULT_INJECTED"
        saga = stack.get("coordinator", f"/v1/sagas/{info['metadata']['saga_id']}").json()
        assert saga["state"] == "COMPENSATED"
        assert stack.counts(sku) == before
        orders = stack.get("orders", "/orders?customer_id=1&page_size=1").json()["orders"]
        assert orders[0]["status"] == "CANCELLED"


def test_asking_for_more_than_there_is_names_the_sku_and_both_quantities(stack, sku):
    reply = stack.process([(sku, 101)])
    assert reply.status_code == 400
    assert reply.json()["message"] == f"Stock insuficiente para {sku}: solicitado 101, disponible 100"
    assert reply.json()["code"] == 9
    assert stack.counts(sku) == (100, 0, 0)


def test_the_order_can_be_bought_twice_on_purpose_with_explicit_keys(stack, sku):
    first = stack.process([(sku, 1)], **{"Idempotency-Key": f"{sku}-1"})
    second = stack.process([(sku, 1)], **{"X-Idempotency-Key": f"{sku}-2"})
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json()["order_id"] != second.json()["order_id"]
    assert stack.counts(sku) == (98, 0, 2)


def test_health_and_the_api_description_are_served_on_every_port(stack):
    for face, name in (("coordinator", "Coordinator API"), ("orders", "Orders API"), ("customers", "Customers API"),
                       ("customers2", "Customers API")):
        assert stack.get(face, "/health").text == '{"status":"ok","service":"%s","db":"connected"}' % name
        assert "/dev/orders/process" in stack.get(face, "/openapi.json").json()["paths"]


def test_ids_have_their_documented_shapes(stack, sku):
    body = stack.process([(sku, 1)]).json()
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", body["saga_id"])
