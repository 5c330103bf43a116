"""What a round of kill_test.py does to a Sagamesh under load. What was struck works again when a blow has ended."""

import contextlib
import time
from typing import Callable, NamedTuple

import pymysql

from rounds import Chaos, stopped
from stack import DATABASES, SERVICES, Server

PAUSE_S = (0, 0.3)
CUTS = 4
HICCUP_S = (0.2, 6)  # below and above the 3 s of a lock, a lease and an idle transaction
SILENCE_S = (11, 13)  # longer than a service waits for an answer


class Blow(NamedTuple):
    name: str
    strike: Callable[[Chaos], None]


def in_random_order(all_blows, rng):
    """Each once, again and again."""
    while True:
        yield from rng.sample(all_blows, len(all_blows))


def pause(chaos, seconds):
    time.sleep(chaos.rng.uniform(*seconds))


def kill(service):
    def strike(chaos):
        chaos.stack.kill(service)
        pause(chaos, PAUSE_S)
        chaos.stack.start(service)

    return Blow(f"kill -9 {service}", strike)


def kill_database(*services):
    """With these services, in any order; they may rise while it is still away."""
    def strike(chaos):
        ends = [chaos.database.kill, *(lambda name=name: chaos.stack.kill(name) for name in services)]
        beginnings = [chaos.database.start, *(lambda name=name: chaos.stack.launch(name) for name in services)]
        chaos.rng.shuffle(ends)
        chaos.rng.shuffle(beginnings)
        for end in ends:
            end()
        pause(chaos, PAUSE_S)
        for begin in beginnings:
            begin()
        chaos.stack.wait_healthy()

    return Blow("kill -9 " + " ".join(["the database", *services]), strike)


def end_connections(chaos):
    """The server ends every connection of the services, be it inside a transaction or a COMMIT; and again soon."""
    with chaos.database.administrator() as admin:
        cursor = admin.cursor()
        for _ in range(CUTS):
            cursor.execute("SELECT id FROM information_schema.processlist WHERE user = %s", (Server.USER,))
            for (connection,) in cursor.fetchall():
                try:
                    cursor.execute(f"KILL CONNECTION {connection}")
                except pymysql.err.OperationalError:  # it has ended meanwhile
                    pass
            pause(chaos, PAUSE_S)


@contextlib.contextmanager
def hanging(chaos):
    """It stands still, and then goes on with all that it was told before."""
    with stopped(chaos.database.process):
        yield


def _standing_still(service):
    """Inside a transaction, perhaps, that the server ends meanwhile."""
    return lambda chaos: stopped(chaos.stack.processes[service])


@contextlib.contextmanager
def holding_commits(chaos):
    """Transactions that have written wait in their COMMIT, others in their first write."""
    with chaos.database.administrator() as admin:
        admin.cursor().execute("FLUSH TABLES WITH READ LOCK")
        yield
        admin.cursor().execute("UNLOCK TABLES")


def during(trouble, name, seconds):
    def strike(chaos):
        with trouble(chaos):
            pause(chaos, seconds)
        chaos.stack.wait_healthy()

    return Blow(name, strike)


def kill_during(trouble, name, service):
    """What the dead process last told the server is still done, beside what its successor says."""
    def strike(chaos):
        with trouble(chaos):
            pause(chaos, PAUSE_S)
            chaos.stack.kill(service)
            chaos.stack.launch(service)
            pause(chaos, PAUSE_S)
        chaos.stack.wait_healthy()

    return Blow(f"kill -9 {service} while {name}", strike)


TROUBLES = ((hanging, "the database hangs"), (holding_commits, "COMMITs are held"))
ON_FILES = [kill(service) for service in SERVICES]
ON_SERVER = [
    *ON_FILES,
    kill_database(),
    *(kill_database(service) for service in DATABASES),
    kill_database(*DATABASES),
    Blow("KILL of all connections", end_connections),
    *(during(trouble, name, HICCUP_S) for trouble, name in TROUBLES),
    *(during(trouble, f"{name} for long", SILENCE_S) for trouble, name in TROUBLES),
    *(during(_standing_still(service), f"{service} stands still", HICCUP_S) for service in DATABASES),
    *(kill_during(trouble, name, service) for trouble, name in TROUBLES for service in DATABASES),
]
