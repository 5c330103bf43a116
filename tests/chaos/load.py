"""Clients that buy and restock without pause and, as they should, repeat a call with its key until it is answered."""

import http.client
import itertools
import json
import threading
import time

from answers import PROCESS, Answer
from stack import fault

CLIENTS = 48
PAIRED = 16  # of these, every two share their keys: concurrent duplicates
PAUSE_AFTER_FAILURE_S = 0.02
UNANSWERED = 0
AGAIN = (UNANSWERED, 429, 503, 504)  # what a client repeats with the same key


class Client:
    """One connection to a REST face, made again when it breaks."""

    def __init__(self, stack, face="coordinator"):
        self._port, self._timeout_s = stack.port[f"rest_{face}"], stack.call_timeout_s
        self._connection = None

    def post(self, path, request, key, headers=None):
        """One call. Status 0 if no answer came; never raises."""
        body = json.dumps(request)
        sent = {"Content-Type": "application/json", "Idempotency-Key": key, **(headers or {})}
        started = time.monotonic()
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=self._timeout_s)
            self._connection.request("POST", path, body, sent)
            reply = self._connection.getresponse()
            status, text = reply.status, reply.read().decode()
        except (OSError, http.client.HTTPException):
            self.close()
            status, text = UNANSWERED, ""
        return Answer("POST", path, key, request, status, text, started, time.monotonic())

    def close(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Load:
    """Starts at once. `answers` and `open_calls` may be read while it runs."""

    def __init__(self, stack, skus, name):
        self._stack, self._skus, self._name = stack, skus, name
        self.answers = []
        self._open = [False] * CLIENTS
        self._running = True
        self._threads = [threading.Thread(target=self._buy, args=(number,)) for number in range(CLIENTS)]
        self._threads += [threading.Thread(target=self._restock), threading.Thread(target=self._buy_directly)]
        for thread in self._threads:
            thread.start()

    @property
    def open_calls(self):
        """Of those that buy through the coordinator."""
        return sum(self._open)

    def good(self):
        return sum(1 for answer in list(self.answers) if answer.status == 200)

    def stop(self):
        """Every open call ends."""
        self._running = False
        for thread in self._threads:
            thread.join()

    def _until_answered(self, client, path, request, key, headers=None):
        while True:
            answer = client.post(path, request, key, headers)
            self.answers.append(answer)
            if answer.status not in AGAIN or not self._running:
                return answer
            time.sleep(PAUSE_AFTER_FAILURE_S)

    def _order(self, n):
        """Of ten orders one asks for more than there is, and one fails when it is confirmed: both compensate."""
        quantity = 2_000_000_000 if n % 10 == 5 else 1 + n % 3
        request = {"customer_id": 1, "items": [{"sku": self._skus[n % len(self._skus)], "quantity": quantity}]}
        return request, fault(abort=13) if n % 10 == 0 else None

    def _buy(self, number):
        client = Client(self._stack)
        buyer = number // 2 if number < PAIRED else number
        for n in itertools.count(1):
            if not self._running:
                break
            request, headers = self._order(n + buyer)
            self._open[number] = True
            self._until_answered(client, PROCESS, request, f"{self._name}-{buyer}-{n}", headers)
            self._open[number] = False
        client.close()

    def _restock(self):
        client = Client(self._stack, "customers")
        for n in itertools.count(1):
            if not self._running:
                break
            path = f"/products/{self._skus[n % len(self._skus)]}/restock"
            self._until_answered(client, path, {"quantity": 1 + n % 5}, f"{self._name}-restock-{n}")
        client.close()

    def _buy_directly(self):
        """Creates and confirms orders without a saga. One that is cut short stays CREATED until its time runs out."""
        client = Client(self._stack, "orders")
        for n in itertools.count(1):
            if not self._running:
                break
            request = {"customer_id": 1, "items": [{"sku": self._skus[0], "quantity": 1}]}
            created = self._until_answered(client, "/orders", request, f"{self._name}-create-{n}")
            if created.status == 200:
                order_id = json.loads(created.body)["order_id"]
                self._until_answered(client, f"/orders/{order_id}/confirm", {}, f"{self._name}-confirm-{n}")
        client.close()
