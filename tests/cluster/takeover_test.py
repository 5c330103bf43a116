"""What becomes of the sagas of a coordinator that dies or goes: the other one ends them, soon."""

import time

from cluster import LEASE_S
from stack import eventually, fault
from stubs import coordinator_pb2, record_pb2, saga_pb2

STEPS_S_MAX = 1.5  # of a saga that nothing holds up, on a busy machine
SHARE_MIN = 0.2
SLOW = 20  # sagas
DRAINED_S_MAX = 6  # of the 10 s of --grace
TAKEN_S_MAX = 2  # what is given up; what is not can be taken when the lease has run out, 2 to 3 s later
CREATE = "orders.v1.OrdersService/CreateOrder"
DEATHS = 4  # who started it, and three who took it over
POISON = "step-replied/create_order"


def share_of(cluster, since_ms):
    """{owner: how many sagas it was the last owner of} of those that began since."""
    return dict(cluster.rows("coordinator", "SELECT owner, COUNT(*) FROM sagas WHERE created_ms >= ? GROUP BY owner",
                             int(since_ms)))


def test_the_sagas_of_a_killed_coordinator_end_within_two_leases_and_the_time_of_their_steps(chaos, cluster):
    owners = {name: cluster.incarnation(name) for name in cluster.replicas["coordinator"]}
    began_ms = time.time() * 1000
    with chaos.load("takeover") as load:
        eventually(lambda: load.good() >= 300)
        share = share_of(cluster, began_ms)
        assert set(share) == set(owners.values())
        assert min(share.values()) >= SHARE_MIN * sum(share.values()), share
        slow = [cluster.begin("coordinator", f"orphan-{n}", chaos.skus[0], faults=fault(delay_ms=700))
                for n in range(SLOW)]
        eventually(lambda: len(cluster.open_by_owner(owners["coordinator"])) >= SLOW, every=0.01)
        cluster.kill("coordinator")
        killed, good = time.monotonic(), load.good()
        time.sleep(0.5)  # a COMMIT that it sent last may still be under way; nobody takes anything over so soon
        orphans = set(cluster.open_by_owner(owners["coordinator"]))
        eventually(lambda: not orphans & set(cluster.open_by_owner()), every=0.02)
        took = time.monotonic() - killed
        print(f"\nshared {sorted(share.values())}; {len(orphans)} sagas of the dead one ended after {took:.2f} s; "
              f"{load.good() - good} orders meanwhile")
        assert len(orphans) >= SLOW / 2
        assert took <= 2 * LEASE_S + STEPS_S_MAX
        assert load.good() - good > 100
        cluster.start("coordinator")
    for call in slow:
        assert call.exception() is not None  # the callers of a dead coordinator are told so
    assert {chaos.state.sagas[saga_id].epoch for saga_id in orphans} == {2}


def test_sagas_under_way_end_before_a_coordinator_that_is_told_to_go(chaos, cluster):
    owner = cluster.incarnation("coordinator")
    call = cluster.begin("coordinator", "drained", chaos.skus[0], faults=fault(delay_ms=600))
    started = {cluster.start_saga("coordinator", f"drained-{n}", chaos.skus[0], fault(delay_ms=600))
               for n in range(SLOW)}
    under_way = started & set(cluster.open_by_owner(owner))
    began = time.monotonic()
    assert cluster.terminate("coordinator") == 0
    took = time.monotonic() - began
    left = cluster.open_by_owner()
    print(f"\ngone after {took:.2f} s; of {len(under_way)} sagas under way {len(left)} were left", end="")
    assert len(under_way) >= SLOW / 2 and not left and took < DRAINED_S_MAX
    under_way.add(coordinator_pb2.ProcessOrderResponse.FromString(call.result()).saga_id)
    marks = ", ".join("?" * len(under_way))
    [[epoch]] = cluster.rows("coordinator", f"SELECT MAX(epoch) FROM sagas WHERE saga_id IN ({marks})", *under_way)
    assert epoch == 1
    cluster.restart("coordinator")
    cluster.wait_healthy()


def test_what_cannot_end_in_the_grace_is_taken_by_the_peer_at_once(chaos, cluster):
    """Its steps take longer than an attempt may, so that each saga retries for 5 s and compensates."""
    cluster.terminate("coordinator")
    cluster.restart("coordinator", "--grace=1s")
    cluster.wait_healthy()
    owner, taker = cluster.incarnation("coordinator"), cluster.incarnation("coordinator-2")
    calls = [cluster.begin("coordinator", f"left-{n}", chaos.skus[0], faults=fault(CREATE, delay_ms=2000))
             for n in range(SLOW)]
    eventually(lambda: len(cluster.open_by_owner(owner)) == SLOW, every=0.01)
    began = time.monotonic()
    assert cluster.terminate("coordinator") == 0
    gone = time.monotonic()
    assert gone - began < 1 + 2
    left = set(cluster.open_by_owner(owner, taker))
    eventually(lambda: not cluster.open_by_owner(owner), every=0.02)
    taken = time.monotonic() - gone
    assert len(left) == SLOW and taken < TAKEN_S_MAX
    for call in calls:
        assert call.exception() is not None
    eventually(lambda: not left & set(cluster.open_by_owner()))
    print(f"\ngone after {gone - began:.2f} s, its sagas taken {taken:.2f} s later", end="")
    cluster.restart("coordinator")
    cluster.wait_healthy()


def test_a_killed_coordinator_that_has_a_name_goes_on_with_what_it_left_at_once(chaos, cluster):
    cluster.terminate("coordinator")
    cluster.restart("coordinator", "--replica=auto")
    cluster.wait_healthy()
    owner = cluster.incarnation("coordinator")
    calls = [cluster.begin("coordinator", f"named-{n}", chaos.skus[0], faults=fault(delay_ms=700)) for n in range(SLOW)]
    eventually(lambda: len(cluster.open_by_owner(owner)) == SLOW, every=0.01)
    cluster.kill("coordinator")
    killed = time.monotonic()
    cluster.restart("coordinator", "--replica=auto")
    eventually(lambda: not cluster.open_by_owner(owner), every=0.02)
    taken = time.monotonic() - killed
    for call in calls:
        assert call.exception() is not None
    eventually(lambda: not cluster.open_by_owner())
    print(f"\nits sagas taken {taken:.2f} s after its death", end="")
    assert taken < TAKEN_S_MAX
    cluster.terminate("coordinator")
    cluster.restart("coordinator")
    cluster.wait_healthy()


def test_a_saga_that_three_takers_in_a_row_died_of_is_parked_by_the_next_who_lives(chaos, cluster):
    names = cluster.replicas["coordinator"]
    deaths = -len(names)

    def restart_the_dead(*flags):
        nonlocal deaths
        for name in names:
            if cluster.processes[name].poll() is not None:
                deaths += 1
                cluster.restart(name, *flags)

    def parked():
        restart_the_dead(f"--crash-at={POISON}")
        assert deaths <= DEATHS, "it kills one after the other"
        return cluster.rows("coordinator", "SELECT saga_id, record FROM sagas WHERE open_owner IS NULL AND phase = ?",
                            saga_pb2.Saga.PARKED)

    for name in names:
        cluster.processes[name].kill()
        cluster.processes[name].wait()
    restart_the_dead(f"--crash-at={POISON}")
    cluster.wait_healthy()
    began = time.monotonic()
    call = cluster.begin(names[0], "poison", chaos.skus[0])
    [[saga_id, record]] = eventually(parked, seconds=60)
    assert call.exception() is not None
    reason = record_pb2.StoredSaga.FromString(record).park_reason.decode()
    print(f"\nparked after {time.monotonic() - began:.1f} s and {deaths} deaths: {reason}", end="")
    assert reason.startswith("TAKEN_OVER_WITHOUT_PROGRESS") and deaths == DEATHS
    time.sleep(LEASE_S)
    assert all(cluster.processes[name].poll() is None for name in names) and cluster.healthy()
    for name in names:  # what was wrong with it is mended, and an operator lets it go on
        cluster.terminate(name)
        cluster.restart(name)
    cluster.wait_healthy()
    cluster.sagas().RetrySaga(saga_pb2.RetrySagaRequest(saga_id=saga_id, reason="mended"))
    eventually(lambda: not cluster.open_by_owner())
    [[phase]] = cluster.rows("coordinator", "SELECT phase FROM sagas WHERE saga_id = ?", saga_id)
    assert phase == saga_pb2.Saga.SUCCEEDED
