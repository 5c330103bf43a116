"""A small real run of everything that the invariants speak of, and copies of what it left, to be tampered with."""

import concurrent.futures
import contextlib
import json
import time

import check
from answers import PROCESS, Answer
from databases import merge_barrier
from engines import database
from stack import CONFIRM, Stack, eventually, fault
from stubs import record_pb2

SKU = "prod-123"


class Recorder:
    """Calls through the gateway, each kept as an Answer."""

    def __init__(self, stack):
        self.stack, self.answers = stack, []

    def call(self, face, method, path, request=None, key=None, **headers):
        if key is not None:
            headers["Idempotency-Key"] = key
        started = time.monotonic()
        reply = self.stack.rest.request(method, self.stack.url(face, path), json=request, headers=headers, timeout=40)
        self.answers.append(Answer(method, path, key, request, reply.status_code, reply.text, started,
                                   time.monotonic()))
        return reply

    def buy(self, quantity, key=None, **headers):
        request = {"customer_id": 1, "items": [{"sku": SKU, "quantity": quantity}]}
        return self.call("coordinator", "POST", PROCESS, request, key, **headers)


def buy_and_fail(client):
    assert client.buy(1).status_code == 200
    assert client.buy(1).status_code == 200  # from the store
    assert client.buy(2, key="definite", **fault(abort=13)).status_code == 500
    assert client.buy(101, key="too-much").status_code == 400
    for _ in range(2):  # 504 where the last attempt ran out of the step's time
        assert client.buy(3, key="reply-lost", **fault(CONFIRM, abort=14, phase="after")).status_code in (503, 504)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda _: client.buy(4, key="at-once", **fault(CONFIRM, delay_ms=200)), range(4)))
    assert {reply.content for reply in replies} == {replies[0].content} and replies[0].status_code == 200


def buy_directly(client):
    def order(quantity):
        request = {"customer_id": 1, "items": [{"sku": SKU, "quantity": quantity}]}
        return client.call("orders", "POST", "/orders", request).json()["order_id"]

    assert client.call("orders", "POST", f"/orders/{order(1)}/confirm", {}, key="confirm").status_code == 200
    assert client.call("orders", "POST", f"/orders/{order(1)}/cancel", {}).status_code == 200
    assert client.call("customers", "POST", f"/products/{SKU}/restock", {"quantity": 7}, key="r").status_code == 200


def be_compensated(client):
    """A saga that an operator has undone while its confirmation goes on failing."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        told = pool.submit(client.buy, 6, key="compensated", **fault(CONFIRM, abort=14))
        [saga] = eventually(client.stack.open_sagas)
        reply = client.call("coordinator", "POST", f"/v1/sagas/{saga['saga_id']}:compensate", {"reason": "called off"})
        assert reply.status_code == 200 and told.result().status_code == 409


def survive_a_crash(client):
    """A saga that a second incarnation ends, under epoch 2."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        lost = pool.submit(client.buy, 5, key="crash", **fault(CONFIRM, delay_ms=700))
        eventually(client.stack.open_sagas)
        client.stack.kill("coordinator")
        assert lost.exception() or lost.result().status_code == 503
    client.stack.start("coordinator")
    eventually(lambda: not client.stack.open_sagas())
    assert client.buy(5, key="crash", **fault(CONFIRM, delay_ms=700)).status_code == 200


class Run:
    """The databases of a run at rest and its clients' answers."""

    def __init__(self, databases, answers):
        self.databases, self.answers = databases, list(answers)

    @classmethod
    @contextlib.contextmanager
    def real(cls, directory):
        """On the engine that the stack chooses. The databases last as long as this context."""
        stack = Stack(directory)
        client = Recorder(stack)
        try:
            stack.start()
            buy_and_fail(client)
            buy_directly(client)
            be_compensated(client)
            survive_a_crash(client)
            for order in stack.get("orders", "/orders").json()["orders"]:
                client.call("orders", "GET", f"/orders/{order['order_id']}")
            stack.stop_processes()
            yield cls({name: database(url) for name, url in stack.databases.items()}, client.answers)
        finally:
            stack.stop()

    @contextlib.contextmanager
    def copied(self, directory):
        """A run of its own that may be tampered with; check.py sees it only on files."""
        with contextlib.ExitStack() as drafts:
            yield Run({name: drafts.enter_context(whole.draft(directory)) for name, whole in self.databases.items()},
                      self.answers)

    def check(self, before=None):
        return check.check(**self.databases, answers=self.answers, before=before)

    def sql(self, name, statement, *parameters):
        rows, changed = self.databases[name].tamper(statement, *parameters)
        assert rows or changed > 0, f"found and changed nothing: {statement}"
        return rows

    def saga(self, key):
        """(saga id, order id) of an explicit key."""
        [[saga_id]] = self.sql("coordinator", "SELECT saga_id FROM saga_keys WHERE idempotency_key=?", key)
        [[order_id]] = self.sql("orders", "SELECT MAX(order_id) FROM orders WHERE saga_id=?", saga_id)
        return saga_id, order_id

    def edit_saga(self, saga_id, edit):
        [[blob]] = self.sql("coordinator", "SELECT record FROM sagas WHERE saga_id=?", saga_id)
        record = record_pb2.StoredSaga.FromString(blob)
        edit(record)
        self.sql("coordinator", "UPDATE sagas SET record=? WHERE saga_id=?", record.SerializeToString(), saga_id)

    def edit_barrier(self, name, row_id, edit):
        rows = self.sql(name, "SELECT id, scope, record FROM barrier WHERE id=?", row_id)
        [[(_, scope), record]] = merge_barrier(rows).items()
        edit(record)
        if len(rows) > 1:
            self.sql(name, "DELETE FROM barrier WHERE id=? AND scope<>?", row_id, scope)
        self.sql(name, "UPDATE barrier SET record=? WHERE id=?", record.SerializeToString(), row_id)

    def copy_saga(self, saga_id, new_id, later_ms):
        """Another saga with the same key, created `later_ms` after the first one ended."""
        self.sql("coordinator",
                 "INSERT INTO sagas (saga_id, definition, phase, stuck, owner, epoch, version, takeovers, open_owner, "
                 "due_ms, created_ms, updated_ms, record) SELECT ?, definition, phase, stuck, owner, epoch, version, "
                 "takeovers, open_owner, due_ms, updated_ms + ?, updated_ms + ? + 9, record FROM sagas WHERE saga_id=?",
                 new_id, later_ms, later_ms, saga_id)

    def edit_answer(self, wanted, **changes):
        """Changes the fields of the last answer that is `wanted`."""
        index = max(i for i, answer in enumerate(self.answers) if wanted(answer))
        self.answers[index] = self.answers[index]._replace(**changes)
        return self.answers[index]

    def told(self, key):
        return json.loads(next(a.body for a in self.answers if a.key == key and a.status == 200))
