"""kill -9 of each process at random instants under load: nothing answered is lost, nothing is applied twice.

A round: clients buy and restock; one process is killed and started again; the clients go on, then stop; every saga
ends; what was answered 200 is answered again with the same bytes; the checker of tests/conformance compares the
databases with every answer of all rounds. A round counts only if there were calls and sagas in flight when the process
died.
"""

import itertools
import time

import pytest

from load import CLIENTS
from rounds import OPEN_CALLS_MIN, Chaos, seeded
from stack import SERVICES

ROUNDS = 20
ATTEMPTS_PER_ROUND_MAX = 3  # then the load is not what it should be


@pytest.fixture
def chaos(tmp_path, request):
    chaos = Chaos(tmp_path, seeded(request))
    yield chaos
    chaos.stack.stop()


def _round(chaos, number, victim):
    """Returns (open calls, sagas in flight) at the kill."""
    with chaos.load(f"round-{number}") as load:
        open_calls = load.open_calls
        killed_ms = time.time() * 1000
        chaos.stack.kill(victim)
        time.sleep(chaos.rng.uniform(0, 0.3))
        chaos.stack.start(victim)
    return open_calls, sum(1 for saga in chaos.state.sagas.values() if saga.created_ms <= killed_ms < saga.updated_ms)


def _victims(rng):
    """Each process once, in random order, again and again."""
    while True:
        yield from rng.sample(SERVICES, len(SERVICES))


def test_kill_9_at_random_instants_loses_nothing_and_repeats_nothing(chaos, request):
    rounds = request.config.getoption("--rounds") or ROUNDS
    counted, victims = 0, _victims(chaos.rng)
    victim = next(victims)
    for attempt in itertools.count(1):
        if counted == rounds:
            break
        assert attempt <= rounds * ATTEMPTS_PER_ROUND_MAX, f"only {counted} of {attempt - 1} rounds counted"
        began = time.monotonic()
        open_calls, in_flight = _round(chaos, attempt, victim)
        counts = open_calls >= OPEN_CALLS_MIN and in_flight > 0
        counted += counts
        print(f"{counted:3}/{rounds} kill -9 {victim:<11} {open_calls:2} of {CLIENTS} calls open, {in_flight:2} sagas "
              f"in flight, {time.monotonic() - began:.1f} s{'' if counts else ' (does not count)'}", flush=True)
        if counts:
            victim = next(victims)
    repeated = chaos.ask_again(chaos.answers)
    chaos.check()
    print(f"{len(chaos.answers)} answers kept the invariants; {repeated} good ones repeated byte for byte")
