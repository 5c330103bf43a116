"""Nothing that was answered depends on a write that was not synced, and a disk that fails for a while costs only time.

The three services run on disks of tests/chaos/vfs: kill -9 is a loss of power to them, and they fail when told to.
"""

import concurrent.futures
import itertools
import time

import pytest

from answers import PROCESS
from faulty_disk import FAULTS, FaultyDisk
from load import Client
from rounds import Chaos, Lost, errors_told, seeded
from stack import DATABASES, SERVICES, Stack, eventually

ROUNDS = 6
ATTEMPTS_PER_ROUND_MAX = 10  # a round counts if something was unsynced just when the power failed
EARLY = 0.2  # of what is not synced is written nevertheless
ANSWERS_BEFORE_PLANTED_LOSS = 100
FLAKY = 0.2  # the probability of a fault while a disk is flaky
FLAKY_S = 0.7
# A COMMIT whose outcome is unknown is looked after for 10 s before its callers are told; others wait behind it.
DEAD_S_MAX = 90
GRACE_S = 1
SHUTDOWN_S_MAX = 4  # after the grace
SERVING, NOT_SERVING = 1, 2


@pytest.fixture
def chaos_on_disks(tmp_path, request):
    """A Chaos and the disk of each service; the parameter is how much they write early."""
    rng, early = seeded(request), getattr(request, "param", 0.0)
    disks = {name: FaultyDisk(tmp_path / f"{name}.disk", early, seed=rng.randrange(1 << 32)) for name in DATABASES}
    chaos = Chaos(tmp_path, rng, flags={name: [f"--grace={GRACE_S}s"] for name in DATABASES},
                  env={name: disk.environment for name, disk in disks.items()})
    yield chaos, disks
    for disk in disks.values():
        disk.work()
    chaos.stack.stop()


def _lose_power(chaos, disks, number, victims):
    """Returns how many unsynced sectors each victim lost."""
    with chaos.load(f"power-{number}"):
        eventually(lambda: disks[victims[0]].unsynced() > 0, every=0)
        for victim in victims:
            chaos.stack.kill(victim)
        lost = {victim: disks[victim].unsynced() for victim in victims}
        time.sleep(chaos.rng.uniform(0, 0.3))
        chaos.stack.start(*victims)
    return lost


@pytest.mark.parametrize("chaos_on_disks", [EARLY], indirect=True, ids=["early-writes"])
def test_a_loss_of_power_loses_nothing_that_was_answered(chaos_on_disks, request):
    chaos, disks = chaos_on_disks
    rounds = request.config.getoption("--rounds") or ROUNDS
    counted, attempt = 0, 0
    victims = [[name] for name in DATABASES] + [list(DATABASES)]
    while counted < rounds:
        attempt += 1
        assert attempt <= rounds * ATTEMPTS_PER_ROUND_MAX, f"only {counted} of {attempt - 1} rounds counted"
        began = time.monotonic()
        lost = _lose_power(chaos, disks, attempt, victims[counted % len(victims)])
        counts = any(lost.values())
        counted += counts
        print(f"{counted:3}/{rounds} power lost, unsynced sectors lost: {lost}, {time.monotonic() - began:.1f} s"
              f"{'' if counts else ' (does not count)'}", flush=True)
    repeated = chaos.ask_again(chaos.answers)
    chaos.check()
    print(f"{len(chaos.answers)} answers kept the invariants; {repeated} good ones repeated byte for byte")


@pytest.mark.parametrize("victim", DATABASES)
def test_without_syncs_the_loss_is_found(chaos_on_disks, victim):
    """synchronous=OFF, planted into one service: what shows that the test above can fail."""
    chaos, disks = chaos_on_disks
    chaos.stack.terminate(victim)
    disks[victim].plant_synchronous("OFF")
    chaos.stack.start(victim)
    with pytest.raises(Lost) as lost:
        with chaos.load("planted") as load:
            eventually(lambda: load.good() >= ANSWERS_BEFORE_PLANTED_LOSS)
            chaos.stack.kill(victim)
            disks[victim].plant_synchronous(None)
            chaos.stack.start(victim)
    print(f"{victim} without syncs: {str(lost.value).splitlines()[0]}")


def _running(chaos):
    return all(process.poll() is None for process in chaos.stack.processes.values())


@pytest.mark.parametrize("chaos_on_disks", [EARLY], indirect=True, ids=["early-writes"])
@pytest.mark.parametrize("service", DATABASES)
def test_a_flaky_disk_costs_only_time_also_when_the_power_fails_then(chaos_on_disks, service):
    chaos, disks = chaos_on_disks
    disk = disks[service]
    with chaos.load("flaky") as load:
        for fault in FAULTS:
            disk.fail(fault, "open cantopen", probability=FLAKY)
            time.sleep(FLAKY_S)
        disk.work()
        assert _running(chaos)
    errors = errors_told(load.answers)
    with chaos.load("flaky-and-killed"):
        disk.fail(*FAULTS, probability=FLAKY)
        time.sleep(FLAKY_S)
        chaos.stack.kill(service)
        disk.work()
        chaos.stack.start(service)
    injected = disk.injected()
    print(f"{service}: {_table(injected)}; told: {_table(errors)}")
    # What fails a sync of the WAL fails a COMMIT.
    wanted = [("open cantopen", "db"), *((fault, "wal") for fault in FAULTS)]
    assert all(injected[fault] for fault in wanted), "a kind of fault was never injected"


def _ask_until_told(chaos, load):
    """Asks each service, with a key of its own each time, for what it writes before it asks anybody else, until it says
    that its database is away. The load's own calls may all wait for another service."""
    basket = {"customer_id": 1, "items": [{"sku": chaos.skus[0], "quantity": 1}]}
    calls = {"customers": (f"/products/{chaos.skus[0]}/restock", {"quantity": 1}), "orders": ("/orders", basket),
             "coordinator": (PROCESS, basket)}

    def ask(name):
        client, number = Client(chaos.stack, name), itertools.count(1)

        def tells():
            answer = client.post(*calls[name], f"told-{name}-{next(number)}")
            load.answers.append(answer)
            return (503, name, "DATABASE_UNAVAILABLE") in errors_told([answer])

        eventually(tells, seconds=DEAD_S_MAX)
        client.close()

    with concurrent.futures.ThreadPoolExecutor() as pool:
        list(pool.map(ask, DATABASES))


def test_dead_disks_are_told_of_and_everything_goes_on_after_them(chaos_on_disks):
    chaos, disks = chaos_on_disks
    with chaos.load("dead") as load:
        for disk, fault in zip(disks.values(), chaos.rng.sample(FAULTS, len(disks))):
            disk.fail(fault)
        began = time.monotonic()
        _ask_until_told(chaos, load)
        print(f"all three disks dead for {time.monotonic() - began:.1f} s:")
        assert _running(chaos)
        for disk in disks.values():
            disk.work()
    for service, disk in disks.items():
        print(f"{service}: {_table(disk.injected())}")
    print(f"told: {_table(errors_told(load.answers))}")


def test_a_dead_disk_does_not_hold_up_a_shutdown(chaos_on_disks):
    chaos, disks = chaos_on_disks
    with chaos.load("shutdown"):
        # Orders first: for a saga it writes only what customers has answered.
        for name in ("orders", "customers", "coordinator"):
            disks[name].fail("sync ioerr")
            eventually(disks[name].injected)
        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor() as pool:
            codes = list(pool.map(chaos.stack.terminate, DATABASES))
        print(f"ended in {time.monotonic() - began:.1f} s with {codes}")
        assert time.monotonic() - began < GRACE_S + SHUTDOWN_S_MAX and set(codes) <= {0, 1}
        for disk in disks.values():
            disk.work()
        chaos.stack.start(*DATABASES)


def _table(counter):
    return ", ".join(f"{' '.join(map(str, what))}: {times}" for what, times in sorted(counter.items()))


def _expect_health(stack, name, http, database, grpc):
    reply = stack.get(name, "/health")
    assert reply.status_code == http and reply.json()["db"] == database, reply.text
    assert reply.json()["status"] == ("ok" if http == 200 else "error")
    with stack.channel(name) as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        assert check(b"", wait_for_ready=True, timeout=10) == bytes([1 << 3, grpc])


def _expect_away(stack):
    for name in DATABASES:
        eventually(lambda: stack.answers(name) and stack.get(name, "/health").status_code == 503)
        _expect_health(stack, name, 503, "disconnected", NOT_SERVING)
    # Until the gateway has found the coordinator it speaks for itself.
    eventually(lambda: "DATABASE_UNAVAILABLE" in stack.process([("prod-123", 2)]).text)
    assert stack.process([("prod-123", 2)]).status_code == 503
    assert all(process.poll() is None for process in stack.processes.values())


def _expect_there(stack):
    stack.wait_healthy()
    for name in DATABASES:
        _expect_health(stack, name, 200, "connected", SERVING)


def test_databases_that_cannot_be_opened_stop_no_process_and_come_back(tmp_path):
    """At start: where the file should be there is a directory. Later: the directory of the file is moved away."""
    stack = Stack(tmp_path, flags={name: [f"--db=sqlite:{tmp_path}/{name}/t.db"] for name in DATABASES})
    for name in DATABASES:
        (tmp_path / name / "t.db").mkdir(parents=True)
    stack.launch(*SERVICES)
    try:
        _expect_away(stack)
        for name in DATABASES:
            (tmp_path / name / "t.db").rmdir()
        _expect_there(stack)
        first = stack.process([("prod-123", 1)])
        assert first.status_code == 200

        for name in DATABASES:
            (tmp_path / name).rename(tmp_path / f"{name}.away")
        _expect_away(stack)
        for name in DATABASES:
            (tmp_path / f"{name}.away").rename(tmp_path / name)
        _expect_there(stack)
        again = stack.process([("prod-123", 1)])
        assert again.content == first.content and again.headers["Idempotent-Replayed"] == "true"
        assert stack.counts("prod-123") == (99, 0, 1)
    finally:
        stack.stop()
