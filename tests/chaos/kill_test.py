"""Blows at random instants under load (blows.py): nothing answered is lost, nothing is applied twice.

A round: clients buy and restock; a process is killed and started again, or the database does something as bad; the
clients go on, then stop; every saga ends; what was answered 200 is answered again with the same bytes; the checker of
tests/conformance compares the databases with every answer of all rounds. A round counts only if there were calls and
sagas in flight when the blow fell.

The databases are files, or on a private server of the kind that SAGAMESH_TEST_ENGINE names; it is struck too.
"""

import itertools
import os
import time

import pytest

import blows
from answers import PROCESS
from load import CLIENTS, Client
from rounds import OPEN_CALLS_MIN, Chaos, Lost, errors_told, seeded
from servers import KINDS
from stack import DATABASES

ENGINE = os.environ.get("SAGAMESH_TEST_ENGINE")
ROUNDS_ON_FILES, ROUNDS_ON_SERVER = 20, 12  # the latter not one for each blow: chance chooses
# A service is away; others' locks, of a COMMIT that is held, are met at every attempt; a step waited in a coordinator
# that stood still.
ERRORS_OF_BLOWS = {(503, "BACKEND_UNAVAILABLE"), (409, "CONTENTION"), (504, "TOO_LATE")}
ATTEMPTS_PER_ROUND_MAX = 3  # then the load is not what it should be


@pytest.fixture
def database(tmp_path):
    if ENGINE is None:
        yield None
        return
    (kind,) = (kind for kind in KINDS if kind.name == ENGINE)
    directory = tmp_path / ENGINE
    directory.mkdir()
    server = kind(directory)
    try:
        yield server.initialize().start()
    finally:
        server.stop()


@pytest.fixture
def chaos(tmp_path, request, database):
    chaos = Chaos(tmp_path, seeded(request), database)
    yield chaos
    chaos.stack.stop()


def _round(chaos, number, blow):
    """Returns (open calls, sagas in flight) when the blow falls."""
    with chaos.load(f"round-{number}") as load:
        open_calls = load.open_calls
        struck_ms = time.time() * 1000
        blow.strike(chaos)
    return open_calls, sum(1 for saga in chaos.state.sagas.values() if saga.created_ms <= struck_ms < saga.updated_ms)


def test_blows_at_random_instants_lose_nothing_and_repeat_nothing(chaos, request):
    of_engine, default = ((blows.ON_FILES, ROUNDS_ON_FILES) if chaos.database is None
                          else (blows.ON_SERVER, ROUNDS_ON_SERVER))
    rounds = request.config.getoption("--rounds") or default
    counted, coming = 0, blows.in_random_order(of_engine, chaos.rng)
    blow = next(coming)
    for attempt in itertools.count(1):
        if counted == rounds:
            break
        assert attempt <= rounds * ATTEMPTS_PER_ROUND_MAX, f"only {counted} of {attempt - 1} rounds counted"
        began = time.monotonic()
        print(f"{counted + 1:3}/{rounds} {blow.name:<49} ", end="", flush=True)
        open_calls, in_flight = _round(chaos, attempt, blow)
        counts = open_calls >= OPEN_CALLS_MIN and in_flight > 0
        counted += counts
        print(f"{open_calls:2} of {CLIENTS} calls open, {in_flight:2} sagas in flight, {time.monotonic() - began:.1f} s"
              f"{'' if counts else ' (does not count)'}", flush=True)
        if counts:
            blow = next(coming)
    repeated = chaos.ask_again(chaos.answers)
    chaos.check()
    print(f"{len(chaos.answers)} answers kept the invariants; {repeated} good ones repeated byte for byte")
    errors_told(chaos.answers, *ERRORS_OF_BLOWS)


@pytest.mark.skipif(ENGINE is None, reason="what files lose is for disk_test.py to find")
def test_the_loss_of_a_server_that_does_not_flush_is_found(tmp_path, request, database):
    """What shows that the test above can fail."""
    database.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 0")
    database.execute("SET GLOBAL innodb_flush_log_at_timeout = 2700")
    chaos = Chaos(tmp_path, seeded(request), database,
                  flags={name: ["--allow-relaxed-durability"] for name in DATABASES})
    try:
        client = Client(chaos.stack)
        order = {"customer_id": 1, "items": [{"sku": chaos.skus[0], "quantity": 1}]}
        answers = [client.post(PROCESS, order, f"unflushed-{n}") for n in range(10)]
        assert {answer.status for answer in answers} == {200}
        blows.kill_database().strike(chaos)
        with pytest.raises(Lost) as lost:
            chaos.ask_again(answers)
        print(f"without flushes: {lost.value}")
    finally:
        chaos.stack.stop()
