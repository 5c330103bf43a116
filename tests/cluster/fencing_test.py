"""A coordinator that stood still past its lease and goes on (a zombie): what it still says and writes changes nothing.

It notices, drops the sagas that its peer took, and serves on as a new incarnation. Its callers, who still wait, are
told how their sagas ended.
"""

import signal
import time

import grpc
import pytest

from cluster import LEASE_S
from gate import FROM, TO
from rounds import stopped
from stack import CONFIRM, eventually, fault, saga_metadata
from stubs import coordinator_pb2, orders_pb2, reason, saga_pb2

CREATE = "orders.v1.OrdersService/CreateOrder"
DELAY_MS = 700
SAGAS = 10  # of each kind
STEP_BYTES_MIN = 100  # of a call; what else a connection says is shorter
# A lease, the end of an idle transaction, and a sweep that comes each second, or the steps of what is taken.
TAKEN_S_MAX = 2 * LEASE_S + 1.5
NOTICED_S_MAX = 3
TABLE_REFRESH_S = 0.15  # of innodb_trx: only if nobody has read it for 0.1 s
A, B = "coordinator", "coordinator-2"


@pytest.fixture(autouse=True)
def nothing_is_lost(chaos, cluster):
    yield
    for gate in cluster.gates(A, "orders"):
        gate.mend()
    chaos.check()


def sagas_like(cluster, prefix):
    return sorted(cluster.rows(
        "coordinator", "SELECT s.saga_id, owner, epoch, version, phase, open_owner, updated_ms, record FROM sagas s "
        "JOIN saga_keys k ON k.saga_id = s.saga_id WHERE idempotency_key LIKE ?", prefix + "%"))


def fenced(cluster, name=A):
    return cluster.metric(name, "sagamesh_sagas_fenced_total")


def wait_until_dropped(cluster, name=A):
    eventually(lambda: cluster.metric(name, "sagamesh_sagas_inflight") == 0, seconds=10)


def results(calls):
    return [coordinator_pb2.ProcessOrderResponse.FromString(call.result()) for call in calls]


def test_a_zombie_changes_nothing_and_serves_on_as_a_new_incarnation(chaos, cluster):
    sku = chaos.skus[0]
    old = cluster.incarnation(A)
    calls = [cluster.begin(A, f"zombie-{method}-{n}", sku, faults=fault(method, delay_ms=DELAY_MS))
             for method in (CREATE, CONFIRM) for n in range(SAGAS)]
    eventually(lambda: len(cluster.open_by_owner(old)) == len(calls), every=0.01)
    dropped = fenced(cluster)
    with stopped(cluster.processes[A]):
        began = time.monotonic()
        eventually(lambda: not cluster.open_by_owner(), every=0.02)
        took = time.monotonic() - began
        ended, refused = sagas_like(cluster, "zombie-"), cluster.refused()
        # These lie in its socket while it stands still, and were never heard of by anybody.
        inserted = [cluster.begin(A, f"inserted-{n}", sku) for n in range(SAGAS)]
        time.sleep(0.2)
    woke = time.monotonic()
    told = results(inserted)
    served = time.monotonic() - woke
    wait_until_dropped(cluster)
    new = cluster.incarnation(A)
    refused, dropped = cluster.refused() - refused, fenced(cluster) - dropped
    print(f"\n{len(ended)} sagas ended by the peer {took:.2f} s after the stop; the zombie served {served:.2f} s after "
          f"it went on; {refused:.0f} of its calls were refused, {dropped:.0f} of its writes fenced", end="")
    assert took <= TAKEN_S_MAX and served <= NOTICED_S_MAX
    assert {row[2] for row in ended} == {2} and {row[4] for row in ended} == {saga_pb2.Saga.SUCCEEDED}
    assert sagas_like(cluster, "zombie-") == ended
    assert refused + dropped >= len(calls)
    assert new != old and {row[1] for row in sagas_like(cluster, "inserted-")} == {new}
    assert {order.status for order in told} == {coordinator_pb2.ProcessOrderResponse.CONFIRMED}
    for call, order in zip(calls, results(calls)):  # who waited for the zombie all the time
        assert order.status == coordinator_pb2.ProcessOrderResponse.CONFIRMED


def hold_second_step(cluster, key, sku):
    """A saga of A's whose first step is done and whose second is on its way to orders; (saga id, the call)."""
    cluster.incarnation(A)  # it is connected to orders
    gates = cluster.gates(A, "orders")
    for gate in gates:
        gate.hold(FROM)
    call = cluster.begin(A, key, sku)
    [[saga_id]] = eventually(lambda: cluster.rows(
        "coordinator", "SELECT saga_id FROM saga_keys WHERE idempotency_key = ?", key), every=0.005)
    eventually(lambda: cluster.rows("orders", "SELECT 1 FROM orders WHERE saga_id = ?", saga_id), every=0.005)
    for gate in gates:
        gate.hold(TO)
    for gate in gates:
        gate.mend(FROM)
    eventually(lambda: any(gate.bytes_held(TO) >= STEP_BYTES_MIN for gate in gates), every=0.005)
    return saga_id, call


def order_of(cluster, saga_id):
    [[order_id, status]] = cluster.rows("orders", "SELECT order_id, status FROM orders WHERE saga_id = ?", saga_id)
    return order_id, orders_pb2.Order.Status.Name(status)


def confirm_as(cluster, saga_id, order_id, epoch):
    """What orders says to the saga's second step under this epoch."""
    with pytest.raises(grpc.RpcError) as refused:
        cluster.orders().ConfirmOrder(orders_pb2.ConfirmOrderRequest(order_id=order_id), timeout=2,
                                      metadata=saga_metadata(saga_id, "confirm_order", "action", epoch))
    return reason(refused.value)


def test_a_second_step_that_comes_after_the_new_owner_compensated_the_first_is_refused(chaos, cluster):
    sku = chaos.skus[1]
    stock = cluster.counts(sku)
    saga_id, call = hold_second_step(cluster, "late-step", sku)
    with stopped(cluster.processes[A]):
        assert order_of(cluster, saga_id)[1] == "CREATED" and cluster.counts(sku)[1] == 1
        with cluster.severed(B, "orders"):  # so that it fails to repeat the first step
            eventually(lambda: cluster.rows("coordinator", "SELECT 1 FROM sagas WHERE saga_id = ? AND phase = ?",
                                            saga_id, saga_pb2.Saga.COMPENSATING), seconds=30)
        eventually(lambda: not cluster.open_by_owner(), seconds=30)
        order_id, status = order_of(cluster, saga_id)
        ended, refused = sagas_like(cluster, "late-step"), cluster.refused()
        assert status == "CANCELLED" and cluster.counts(sku) == stock
        for gate in cluster.gates(A, "orders"):
            gate.mend()
        eventually(lambda: cluster.refused() == refused + 1, seconds=5)
    with pytest.raises(grpc.RpcError) as told:
        call.result()
    wait_until_dropped(cluster)
    assert confirm_as(cluster, saga_id, order_id, epoch=1) == "STALE_EPOCH"
    assert confirm_as(cluster, saga_id, order_id, epoch=2) == "ALREADY_COMPENSATED"
    assert sagas_like(cluster, "late-step") == ended
    assert order_of(cluster, saga_id) == (order_id, "CANCELLED") and cluster.counts(sku) == stock
    with pytest.raises(grpc.RpcError) as again:  # its caller was told what the peer decided; now the key is free
        cluster.begin(B, "late-step", sku, quantity=2).result()
    assert reason(told.value) and reason(again.value) == "IDEMPOTENCY_KEY_REUSED"


def lock_waits(chaos):
    return chaos.database.query("SELECT trx_id FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'")


def open_transactions(chaos):
    return chaos.database.query("SELECT trx_id FROM information_schema.innodb_trx WHERE trx_rows_locked > 0")


def test_one_that_stands_still_between_its_locks_and_its_commit_holds_nobody_up(chaos, cluster):
    sku = chaos.skus[2]
    old = cluster.incarnation(A)
    call = cluster.begin(A, "locked", sku, faults=fault(delay_ms=DELAY_MS))
    [saga_id] = eventually(lambda: list(cluster.open_by_owner(old)), every=0.01)
    dropped = fenced(cluster)
    with cluster.session("coordinator") as cursor:
        cursor.execute("SELECT 1 FROM sagas WHERE saga_id = %s FOR UPDATE", [saga_id])
        waiting = eventually(lambda: lock_waits(chaos), every=TABLE_REFRESH_S)  # its end is to be written
        cluster.processes[A].send_signal(signal.SIGSTOP)
        began = time.monotonic()
    try:
        # What it asked for is done; it does not go on, and its lease cannot be closed. (Its heartbeat may wait for it too.)
        eventually(lambda: set(waiting) & set(open_transactions(chaos)) - set(lock_waits(chaos)), every=TABLE_REFRESH_S)
        eventually(lambda: not cluster.open_by_owner(), every=0.02)
        took = time.monotonic() - began
        ended = sagas_like(cluster, "locked")
    finally:
        cluster.processes[A].send_signal(signal.SIGCONT)
    body = call.result()
    wait_until_dropped(cluster)
    print(f"\nits saga was ended by the peer {took:.2f} s after the stop", end="")
    assert took <= TAKEN_S_MAX
    [row] = ended
    assert (row[2], row[4]) == (2, saga_pb2.Saga.SUCCEEDED) and row[1] != old
    assert sagas_like(cluster, "locked") == ended
    assert fenced(cluster) > dropped
    assert cluster.begin(B, "locked", sku, faults=fault(delay_ms=DELAY_MS)).result() == body
    assert cluster.incarnation(A) != old
