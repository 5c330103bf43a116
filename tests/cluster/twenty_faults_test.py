"""The twenty faults (faults.py) under load, one after the other; then everything must end, and the checker of
tests/conformance compares the databases with every answer.

`--faults=20` strikes with all of them, fewer are drawn; `--minutes` goes on with others, in a new order, until then.
There are calls and sagas in flight when a fault strikes; before the next one every saga that was open at its end has
ended, and clients get on.
"""

import collections
import time

from blows import in_random_order
from faults import TWENTY
from load import CLIENTS
from rounds import OPEN_CALLS_MIN, PROGRESS, errors_told
from stack import eventually

RECOVERY_S_MAX = 40
REPEATED_MAX = 3000  # good calls, once all is over
ERRORS_OF_FAULTS = {(503, "BACKEND_UNAVAILABLE"), (409, "CONTENTION"), (503, "SHUTTING_DOWN"),
                    (504, "TOO_LATE")}  # it waited until its caller's time was over, and was not run
ERRORS_ASKED_FOR = {(400, "INVALID_FIELD"), (500, "FAULT_INJECTED")}


def orders(load):
    """Those that went through a coordinator and were answered 200."""
    return sum(1 for answer in list(load.answers) if answer.is_process and answer.status == 200)


def taken_over(cluster):
    [[count]] = cluster.rows("coordinator", "SELECT COUNT(*) FROM sagas WHERE epoch > 1")
    return count


def recover(cluster, load):
    cluster.wait_healthy()
    good = orders(load)
    left = set(cluster.open_by_owner())
    eventually(lambda: not left & set(cluster.open_by_owner()), seconds=RECOVERY_S_MAX)
    eventually(lambda: orders(load) >= good + PROGRESS, seconds=RECOVERY_S_MAX)


def strike(chaos, load, fault):
    cluster = chaos.stack
    time.sleep(chaos.rng.uniform(0.05, 0.3))
    taken = taken_over(cluster)
    in_flight = eventually(lambda: load.open_calls >= OPEN_CALLS_MIN and cluster.open_by_owner(), every=0.005)
    began, good, open_calls = time.monotonic(), orders(load), load.open_calls
    fault.strike(chaos)
    ended, meanwhile = time.monotonic(), orders(load) - good
    recover(cluster, load)
    print(f"{fault.name:<62} {open_calls:2} of {CLIENTS} calls open, {len(in_flight):3} sagas in flight; "
          f"{ended - began:4.1f} s, {meanwhile:4} orders meanwhile; recovered after {time.monotonic() - ended:4.1f} s; "
          f"{taken_over(cluster) - taken:3} sagas taken over", flush=True)


def test_the_faults_that_matter_most_lose_nothing_and_repeat_nothing(chaos, cluster, request):
    at_least, seconds = request.config.getoption("--faults"), request.config.getoption("--minutes") * 60
    coming, struck, began = in_random_order(TWENTY, chaos.rng), collections.Counter(), time.monotonic()
    print()
    with chaos.load("faults", repeat_at_most=REPEATED_MAX) as load:
        while struck.total() < at_least or time.monotonic() - began < seconds:
            fault = next(coming)
            strike(chaos, load, fault)
            struck[fault.name] += 1
        took, good = time.monotonic() - began, orders(load)
    told = errors_told(load.answers, *ERRORS_OF_FAULTS)
    of_faults = {f"{reason} of {domain}": count for (status, domain, reason), count in told.items()
                 if (status, reason) not in ERRORS_ASKED_FOR}
    silent = sum(1 for answer in load.answers if not answer.status)
    print(f"{len(struck)} of the {len(TWENTY)} faults, {struck.total()} in {took:.0f} s: {len(load.answers)} calls, "
          f"{good} orders, {silent} calls without an answer, errors {of_faults}")
    assert len(struck) == min(struck.total(), len(TWENTY))
