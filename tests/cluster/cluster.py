"""Two replicas of each service over one database server, and gates on the ways between them."""

import contextlib
import time

import grpc
import pymysql

from engines import database
from gate import Gate
from stack import Server, Stack
from stubs import coordinator_pb2, saga_pb2

REPLICAS = 2
LEASE_S = 3  # the coordinator's
DATABASE = "database"  # as a callee
SERVING = b"\x08\x01"  # a grpc.health.v1.HealthCheckResponse on the wire
RECONNECT_MS_MAX = 200
# Who meets a gate on the way to whom.
WAYS = (("coordinator", "orders"), ("coordinator-2", "orders"), ("orders", "customers"), ("coordinator", DATABASE))


class Cluster(Stack):
    call_timeout_s = 2  # so that a client goes on at another replica soon

    def __init__(self, directory, **stack):
        super().__init__(directory, replicas=REPLICAS, **stack)
        self._gates = {}  # by (caller, callee's process)
        for caller, callee in WAYS:
            for name in self.replicas.get(callee, [callee]):
                self._gates[caller, name] = Gate(self._port_of(name))
        self._channels = {}

    def _port_of(self, name):
        return int(self.server.address.split(":")[1]) if name == DATABASE else self.port[name]

    def targets(self, caller, service):
        gated = {name: f"127.0.0.1:{gate.port}" for (of, name), gate in self._gates.items() if of == caller}
        return ",".join(gated.get(name, self.address(name)) for name in self.replicas[service])

    def database_of(self, name):
        url, gate = super().database_of(name), self._gates.get((name, DATABASE))
        return url if gate is None else url.replace(self.server.address, f"127.0.0.1:{gate.port}")

    def gates(self, caller, callee):
        """Those between a process and a service, or the database."""
        return [gate for (of, name), gate in self._gates.items() if of == caller and self.service_of(name) == callee]

    @contextlib.contextmanager
    def severed(self, caller, callee, how=Gate.cut):
        """`how`: Gate.cut or Gate.hold."""
        try:
            for gate in self.gates(caller, callee):
                how(gate)
            yield
        finally:
            for gate in self.gates(caller, callee):
                gate.mend()

    def peer(self, name):
        (other,) = (replica for replica in self.replicas[self.service_of(name)] if replica != name)
        return other

    def serves(self, name):
        """What a load balancer would be told."""
        try:
            with self.channel(name) as channel:
                return channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=1) == SERVING
        except grpc.RpcError:
            return False

    def healthy(self):
        return all(self.serves(name) for name in self.processes if name != "gateway") and super().healthy()

    def restart(self, name, *flags):
        """After it is dead, with these flags."""
        self.flags[name] = list(flags)
        self.launch(name)

    def complete(self):
        """Starts what a test that failed has left dead."""
        dead = [name for name in self.names if name not in self.processes or self.processes[name].poll() is not None]
        for name in dead:
            self.restart(name)
        if dead:
            self.wait_healthy()

    def stop(self):
        for channel in self._channels.values():
            channel.close()
        super().stop()
        for gate in self._gates.values():
            gate.close()

    # A coordinator of one's choice.
    def _call(self, name):
        """ProcessOrder there: bytes in, and the very bytes of the answer out."""
        if name not in self._channels:
            options = [("grpc.initial_reconnect_backoff_ms", RECONNECT_MS_MAX), ("grpc.enable_http_proxy", 0),
                       ("grpc.min_reconnect_backoff_ms", RECONNECT_MS_MAX),
                       ("grpc.max_reconnect_backoff_ms", RECONNECT_MS_MAX)]
            self._channels[name] = grpc.insecure_channel(self.address(name), options)
        return self._channels[name].unary_unary("/coordinator.v1.CoordinatorService/ProcessOrder")

    def begin(self, name, key, sku, quantity=1, faults=None, timeout=30):
        """A call that is under way."""
        request = coordinator_pb2.ProcessOrderRequest(customer_id=1, items=[{"sku": sku, "quantity": quantity}])
        metadata = [("idempotency-key", key), *(faults or {}).items()]
        return self._call(name).future(request.SerializeToString(), metadata=metadata, timeout=timeout,
                                       wait_for_ready=True)

    def buy(self, name, key, sku, **order):
        """The ProcessOrderResponse of an order that succeeds."""
        return coordinator_pb2.ProcessOrderResponse.FromString(self.begin(name, key, sku, **order).result())

    def start_saga(self, name, key, sku, faults=None):
        """A process_order that nobody waits for; its id."""
        request = saga_pb2.StartSagaRequest(definition="process_order")
        request.input.Pack(coordinator_pb2.ProcessOrderRequest(customer_id=1, items=[{"sku": sku, "quantity": 1}]))
        return self.sagas(name).StartSaga(request, metadata=[("idempotency-key", key), *(faults or {}).items()],
                                          timeout=5).saga.saga_id

    def incarnation(self, name):
        """Whose sagas this coordinator's are now."""
        order = self.buy(name, f"incarnation-{name}-{time.monotonic_ns()}", "prod-123")
        [[owner]] = self.rows("coordinator", "SELECT owner FROM sagas WHERE saga_id = ?", order.saga_id)
        return owner

    # Rows.
    def rows(self, service, statement, *parameters):
        with database(self.databases[service]).reading() as query:
            return query(statement, *parameters)

    def open_by_owner(self, *owners):
        """{saga id: owner} of the sagas that are neither final nor parked."""
        found = dict(self.rows("coordinator", "SELECT saga_id, open_owner FROM sagas WHERE open_owner IS NOT NULL"))
        return {saga_id: owner for saga_id, owner in found.items() if not owners or owner in owners}

    @contextlib.contextmanager
    def session(self, service):
        """Somebody else's, in a transaction on this service's database."""
        host, port = self.server.address.split(":")
        with contextlib.closing(pymysql.connect(
                host=host, port=int(port), user=Server.USER, password=Server.PASSWORD,
                database=f"{self.server.prefix}_{service}")) as connection:
            yield connection.cursor()
            connection.rollback()

    # Metrics, summed over the replicas that run.
    def total(self, service, name, **labels):
        return sum(self.metric(replica, name, **labels) for replica in self.replicas[service]
                   if replica in self.processes)

    def refused(self):
        """Steps and compensations that the replicas of orders have answered ABORTED."""
        return self.total("orders", "sagamesh_rpc_server_handled_total", code="ABORTED")
