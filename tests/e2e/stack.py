"""A private Sagamesh: real processes on free loopback ports, over database files of its own."""

import itertools
import os
import pathlib
import random
import re
import signal
import subprocess
import time
import uuid

import grpc
import pymysql
import requests

from ports import free_ports
from stubs import coordinator_grpc, customers_grpc, orders_grpc, saga_grpc

BIN = pathlib.Path(os.environ["SAGAMESH_BIN_DIR"])
DATABASES = ("customers", "orders", "coordinator")
SERVICES = (*DATABASES, "gateway")
FAULT_METHOD = "x-sagamesh-fault-method"
FAULT_ABORT = "x-envoy-fault-abort-grpc-request"
FAULT_DELAY = "x-envoy-fault-delay-request"
FAULT_PHASE = "x-sagamesh-fault-phase"
CONFIRM = "orders.v1.OrdersService/ConfirmOrder"


def fault(method=CONFIRM, abort=None, delay_ms=None, phase=None):
    headers = {FAULT_METHOD: method}
    if abort is not None:
        headers[FAULT_ABORT] = str(abort)
    if delay_ms is not None:
        headers[FAULT_DELAY] = str(delay_ms)
    if phase is not None:
        headers[FAULT_PHASE] = phase
    return headers


def new_saga_id(age_seconds=0):
    """A UUIDv7 of that long ago, as a coordinator makes them."""
    milliseconds = int((time.time() - age_seconds) * 1000)
    return str(uuid.UUID(int=(milliseconds << 80) | (7 << 76) | (2 << 62) | random.getrandbits(60)))


def error_info_of(reply):
    """The ErrorInfo in the body of a REST reply that is an error."""
    return next(detail for detail in reply.json()["details"] if detail["@type"].endswith("ErrorInfo"))


def saga_metadata(saga_id, step, op, epoch):
    """What a coordinator sends with a step's call."""
    return [("saga-id", saga_id), ("saga-step", step), ("saga-op", op), ("saga-epoch", str(epoch)),
            ("idempotency-key", f"{saga_id}/{step}/{op}")]


def eventually(condition, seconds=30, every=0.05):
    """Waits until `condition()` is truthy and returns it; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, "did not become true in time"
        time.sleep(every)


class Server:
    """A database server that tests/databases/servers.py started."""

    USER, PASSWORD = "sagamesh", "service-secret"
    _numbers = itertools.count()

    @classmethod
    def chosen(cls):
        """The one that SAGAMESH_TEST_ENGINE names; None: the databases are files."""
        name = os.environ.get("SAGAMESH_TEST_ENGINE")
        servers = dict(entry.split("=") for entry in os.environ.get("SAGAMESH_TEST_SERVERS", "").split())
        return cls(servers[name]) if name else None

    def __init__(self, address):
        self.address = address
        self.prefix = f"sagamesh_{os.getpid()}_{next(self._numbers)}"
        os.environ["SAGAMESH_DB_PASSWORD"] = self.PASSWORD  # for those who look into the databases

    def create_databases(self):
        for name in DATABASES:
            self.execute(f"CREATE DATABASE {self.prefix}_{name}")

    def drop_databases(self):
        for name in DATABASES:
            self.execute(f"DROP DATABASE {self.prefix}_{name}")

    def execute(self, statement):
        host, port = self.address.split(":")
        with pymysql.connect(host=host, port=int(port), user=self.USER, password=self.PASSWORD,
                             autocommit=True) as connection:
            connection.cursor().execute(statement)

    def url(self, name):
        return f"mysql://{self.USER}@{self.address}/{self.prefix}_{name}"


class Stack:
    """One gateway, and of each other service so many `replicas`: "orders", "orders-2", ..."""

    call_timeout_s = 40  # of a client over REST

    def __init__(self, directory, faults=True, flags=None, env=None, server=None, replicas=1):
        self.directory = pathlib.Path(directory)
        self.faults = faults
        self.flags = flags or {}  # by process
        self.env = env or {}  # by process, added to its environment
        self.server = server or Server.chosen()
        if self.server is not None:
            self.server.create_databases()
        self.databases = {name: self.server.url(name) if self.server else f"sqlite:{self.directory / name}.db"
                          for name in DATABASES}
        self.replicas = {name: [name, *(f"{name}-{number}" for number in range(2, replicas + 1))] for name in DATABASES}
        self.names = [*itertools.chain(*self.replicas.values()), "gateway"]
        names = [*self.names[:-1], *(f"m_{name}" for name in self.names[:-1]), "rest_coordinator", "rest_orders",
                 "rest_customers", "rest_customers2"]
        self.port = dict(zip(names, free_ports(len(names))))
        self.processes = {}
        self.rest = requests.Session()
        self.rest.mount("http://", requests.adapters.HTTPAdapter(pool_connections=8, pool_maxsize=256))

    def address(self, name):
        return f"127.0.0.1:{self.port[name]}"

    @staticmethod
    def service_of(name):
        return name.partition("-")[0]

    def targets(self, caller, service):
        """Where `caller` finds the replicas of a service."""
        return ",".join(self.address(name) for name in self.replicas[service])

    def database_of(self, name):
        return self.databases[self.service_of(name)]

    def command(self, name):
        service = self.service_of(name)
        if name == "gateway":
            args = ["--coordinator", self.targets(name, "coordinator"), "--orders", self.targets(name, "orders"),
                    "--customers", self.targets(name, "customers"),
                    "--coordinator-listen", self.address("rest_coordinator"),
                    "--orders-listen", self.address("rest_orders"),
                    "--customers-listen", f"{self.address('rest_customers')},{self.address('rest_customers2')}"]
        else:
            args = [f"--listen={self.address(name)}", f"--db={self.database_of(name)}",
                    f"--metrics={self.address('m_' + name)}"]
        if service == "customers":
            args.append("--seed-demo")
        if service == "orders":
            args.append(f"--customers={self.targets(name, 'customers')}")
        if service == "coordinator":
            args.append(f"--participants=orders.v1.OrdersService={self.targets(name, 'orders')}")
        if self.faults:
            args.append("--enable-fault-injection")
        return [str(BIN / service), *args, *self.flags.get(name, [])]

    def launch(self, *names):
        for name in names:
            log = open(self.directory / f"{name}.log", "ab")
            environment = {**os.environ, "SAGAMESH_DB_PASSWORD": Server.PASSWORD, **self.env.get(name, {})}
            self.processes[name] = subprocess.Popen(self.command(name), stdout=log, stderr=log, env=environment)

    def start(self, *names):
        self.launch(*(names or self.names))
        self.wait_healthy()
        return self

    def answers(self, face):
        """Whether the gateway serves this face, be the service behind it healthy or not."""
        try:
            return self.rest.get(self.url(face, "/health"), timeout=2).status_code in (200, 503)
        except requests.RequestException:
            return False

    def healthy(self):
        try:
            return all(self.rest.get(self.url(face, "/health"), timeout=2).status_code == 200
                       for face in ("coordinator", "orders", "customers"))
        except requests.RequestException:
            return False

    def wait_healthy(self):
        eventually(self.healthy, seconds=60)

    def kill(self, name):
        """kill -9"""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def terminate(self, name):
        process = self.processes.pop(name)
        process.terminate()
        return process.wait(timeout=30)

    def stop_processes(self):
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.wait(timeout=30)
        self.processes.clear()

    def stop(self):
        self.rest.close()
        self.stop_processes()
        if self.server is not None:
            self.server.drop_databases()

    # REST
    def url(self, face, path):
        return f"http://127.0.0.1:{self.port['rest_' + face]}{path}"

    def get(self, face, path, **kwargs):
        return self.rest.get(self.url(face, path), timeout=40, **kwargs)

    def post(self, face, path, json=None, **kwargs):
        return self.rest.post(self.url(face, path), json=json, timeout=40, **kwargs)

    def process(self, items, customer_id=1, **headers):
        body = {"customer_id": customer_id, "items": [{"sku": s, "quantity": q} for s, q in items]}
        return self.post("coordinator", "/dev/orders/process", json=body, headers=headers)

    def product(self, sku):
        reply = self.get("customers", f"/products/{sku}")
        assert reply.status_code == 200, reply.text
        return reply.json()

    def new_product(self, sku, available=100, price_cents=250):
        reply = self.post("customers", "/products",
                          json={"sku": sku, "name": sku, "price_cents": price_cents, "available": available})
        assert reply.status_code == 200, reply.text
        return sku

    def counts(self, sku):
        product = self.product(sku)
        return product["available"], product["reserved"], product["sold"]

    def order(self, order_id):
        return self.get("orders", f"/orders/{order_id}")

    def open_sagas(self):
        """Sagas that are neither final nor parked."""
        found = []
        for state in ("RUNNING", "COMPENSATING"):
            reply = self.get("coordinator", f"/v1/sagas?state={state}&page_size=500")
            assert reply.status_code == 200, reply.text
            found += reply.json()["sagas"]
        return found

    # gRPC
    def channel(self, name):
        return grpc.insecure_channel(self.address(name))

    def stock(self):
        return customers_grpc.StockServiceStub(self.channel("customers"))

    def orders(self):
        return orders_grpc.OrdersServiceStub(self.channel("orders"))

    def coordinator(self, name="coordinator"):
        return coordinator_grpc.CoordinatorServiceStub(self.channel(name))

    def sagas(self, name="coordinator"):
        return saga_grpc.SagaServiceStub(self.channel(name))

    def metric(self, service, name, **labels):
        """The sum of a metric's samples that have these labels."""
        text = requests.get(f"http://{self.address('m_' + service)}/metrics", timeout=10).text
        total = 0.0
        for line in text.splitlines():
            match = re.match(rf"{name}(?:{{(.*)}})? (\S+)", line)
            if match and all(f'{k}="{v}"' in (match.group(1) or "") for k, v in labels.items()):
                total += float(match.group(2))
        return total
