"""The twenty faults that matter most to replicas. What was struck works again when a fault has ended."""

import contextlib

from blows import Blow, during, end_connections, hanging, holding_commits, kill_database, pause
from cluster import DATABASE, LEASE_S
from gate import Gate
from rounds import stopped
from stack import DATABASES, eventually

HICCUP_S = (1, 3)  # below a lease
PAST_A_LEASE_S = (LEASE_S + 1, LEASE_S + 2.5)


def _any_of(chaos, service):
    return chaos.rng.choice(chaos.stack.replicas[service])


def kill_one(service):
    def strike(chaos):
        name = _any_of(chaos, service)
        chaos.stack.kill(name)
        pause(chaos, HICCUP_S)
        chaos.stack.launch(name)

    return Blow(f"kill -9 of one replica of {service}", strike)


def kill_both(service):
    def strike(chaos):
        for name in chaos.stack.replicas[service]:
            chaos.stack.kill(name)
        pause(chaos, (0, 1))
        chaos.stack.launch(*chaos.stack.replicas[service])

    return Blow(f"kill -9 of both replicas of {service}", strike)


def one_stands_still(service):
    return lambda chaos: stopped(chaos.stack.processes[_any_of(chaos, service)])


@contextlib.contextmanager
def both_coordinators_stand_still(chaos):
    with contextlib.ExitStack() as all_stopped:
        for name in chaos.stack.replicas["coordinator"]:
            all_stopped.enter_context(stopped(chaos.stack.processes[name]))
        yield


def a_taker_dies(chaos):
    """A coordinator stands still; its peer has taken its sagas and dies of it; then the first one goes on."""
    stack = chaos.stack
    still = _any_of(chaos, "coordinator")
    old = stack.incarnation(still)
    with stopped(stack.processes[still]):
        eventually(lambda: not stack.open_by_owner(old), seconds=3 * LEASE_S)
        stack.kill(stack.peer(still))
        pause(chaos, (0, 1))
    pause(chaos, (0, 1))
    stack.launch(stack.peer(still))


def restart_database(chaos):
    chaos.database.stop()
    pause(chaos, (0, 1))
    chaos.database.start()


def restart_all_in_turn(chaos):
    for service in DATABASES:
        for name in chaos.stack.replicas[service]:
            chaos.stack.terminate(name)
            chaos.stack.start(name)


def severed(caller, callee, how):
    return lambda chaos: chaos.stack.severed(caller, callee, how)


TWENTY = (
    *(kill_one(service) for service in DATABASES),
    *(kill_both(service) for service in DATABASES),
    during(one_stands_still("customers"), "one replica of customers stands still", HICCUP_S),
    during(one_stands_still("orders"), "one replica of orders stands still", HICCUP_S),
    during(one_stands_still("coordinator"), "a coordinator stands still past its lease", PAST_A_LEASE_S),
    during(both_coordinators_stand_still, "both coordinators stand still past their leases", PAST_A_LEASE_S),
    Blow("a coordinator stands still, and who took its sagas dies", a_taker_dies),
    Blow("restart of every replica in turn", restart_all_in_turn),
    kill_database(),
    Blow("restart of the database", restart_database),
    during(hanging, "the database hangs past a lease", PAST_A_LEASE_S),
    during(holding_commits, "COMMITs are held past a lease", PAST_A_LEASE_S),
    Blow("KILL of all connections to the database", end_connections),
    during(severed("coordinator", "orders", Gate.cut), "TCP cut between a coordinator and orders", HICCUP_S),
    during(severed("orders", "customers", Gate.cut), "TCP cut between a replica of orders and customers", HICCUP_S),
    during(severed("coordinator", DATABASE, Gate.hold), "silence between a coordinator and the database past its lease",
           PAST_A_LEASE_S),
)
