"""The disk of tests/chaos/vfs itself, under a program of a few lines: what it loses, keeps and refuses."""

import contextlib
import itertools
import os
import signal
import sqlite3
import subprocess
import sys

import pytest

from faulty_disk import FAULTS, FaultyDisk

# Runs the statements that it reads, each a line after its connection's name; answers with its rows or its error.
SHELL = """
import sqlite3, sys
connections = {}
for line in sys.stdin:
    name, statement = line.split(" ", 1)
    try:
        if name not in connections:
            connections[name] = sqlite3.connect(sys.argv[1], isolation_level=None)
        print(connections[name].execute(statement).fetchall(), flush=True)
    except sqlite3.Error as error:
        print(error.sqlite_errorname, flush=True)
"""


class Shell:
    def __init__(self, path, disk=None):
        environment = {**os.environ, **(disk.environment if disk else {})}
        self._process = subprocess.Popen([sys.executable, "-c", SHELL, str(path)], env=environment,
                                         text=True, bufsize=1, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def run(self, *statements, connection="first"):
        """The last one's answer."""
        for statement in statements:
            self._process.stdin.write(f"{connection} {statement}\n")
            answer = self._process.stdout.readline().strip()
        return answer

    def kill(self):
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate()

    def end(self):
        self._process.communicate()
        assert self._process.returncode == 0


@pytest.fixture
def path(tmp_path):
    return tmp_path / "t.db"


@pytest.fixture
def disk(tmp_path):
    return FaultyDisk(tmp_path / "disk")


def opened(path, disk, synchronous="FULL"):
    shell = Shell(path, disk)
    assert shell.run("PRAGMA journal_mode=WAL") == "[('wal',)]"
    shell.run("PRAGMA synchronous=FULL", "CREATE TABLE IF NOT EXISTS t (n)", f"PRAGMA synchronous={synchronous}")
    return shell


def rows(path):
    """What is really in the file, seen by this process, which has a good disk."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [n for n, in db.execute("SELECT n FROM t ORDER BY n")]


def test_what_was_synced_survives_the_process(path, disk):
    shell = opened(path, disk)
    shell.run("INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2)")
    assert disk.unsynced() == 0
    shell.kill()
    assert rows(path) == [1, 2]


def test_what_was_not_synced_is_lost_and_seen_until_then(path, disk):
    shell = opened(path, disk)
    shell.run("INSERT INTO t VALUES (1)", "PRAGMA synchronous=OFF", "INSERT INTO t VALUES (2)")
    assert disk.unsynced() > 0
    assert shell.run("SELECT n FROM t ORDER BY n") == "[(1,), (2,)]"
    shell.kill()
    assert disk.unsynced() > 0
    assert rows(path) == [1]


def test_connections_of_one_process_see_the_same(path, disk):
    shell = Shell(path, disk)
    shell.run("PRAGMA synchronous=OFF", "PRAGMA journal_mode=WAL", "CREATE TABLE t (n)", "INSERT INTO t VALUES (1)")
    assert path.stat().st_size == path.with_name("t.db-wal").stat().st_size == 0  # all is held
    assert shell.run("SELECT n FROM t", connection="second") == "[(1,)]"
    shell.run("PRAGMA synchronous=FULL", "INSERT INTO t VALUES (2)", "PRAGMA wal_checkpoint", connection="second")
    shell.kill()
    assert rows(path) == [1, 2]


def test_the_memory_that_outlives_the_process_does_not_bring_back_what_was_lost(path, disk):
    shell = opened(path, disk, "OFF")
    shell.run("INSERT INTO t VALUES (1)")
    shell.kill()
    assert path.with_name("t.db-shm").exists()
    again = Shell(path, disk)
    assert again.run("SELECT n FROM t") == "[]"
    again.end()


def test_a_process_that_ends_in_good_order_loses_nothing(path, disk):
    shell = opened(path, disk, "OFF")
    shell.run("INSERT INTO t VALUES (1)")
    shell.end()
    assert disk.unsynced() == 0 and rows(path) == [1]


def test_a_checkpoint_that_was_not_synced_is_lost_and_the_log_is_not(path, disk):
    shell = opened(path, disk)
    shell.run(*[f"INSERT INTO t VALUES ({n})" for n in range(50)], "PRAGMA synchronous=OFF")
    assert shell.run("PRAGMA wal_checkpoint(PASSIVE)").startswith("[(0,")
    assert disk.unsynced() > 0
    shell.kill()
    assert rows(path) == list(range(50))


def test_all_that_sqlite_does_with_a_file_is_as_on_a_good_disk(path, disk, tmp_path):
    """Pages that grow, shrink and move."""
    look = "SELECT n, length(b), substr(b, -9) FROM t"
    statements = []
    for mode, synchronous in itertools.product(("WAL", "DELETE"), ("FULL", "OFF")):
        statements += [f"PRAGMA journal_mode={mode}", f"PRAGMA synchronous={synchronous}", "PRAGMA cache_size=10",
                       "CREATE TABLE t (n INTEGER PRIMARY KEY, b)"]
        for turn in range(3):
            many = [f"INSERT INTO t (b) VALUES (printf('%0{1 + 500 * n}d', {n}))" for n in range(40)]
            statements += ["BEGIN", *many, "COMMIT", "DELETE FROM t WHERE n % 3 = 0", "VACUUM",
                           "PRAGMA wal_checkpoint(TRUNCATE)", "BEGIN", *many, "ROLLBACK", "PRAGMA integrity_check",
                           "SELECT count(*), sum(n), sum(length(b)), min(b) FROM t"]
        statements += [look, "DROP TABLE t", "VACUUM"]
    faulty, good = Shell(path, disk), Shell(tmp_path / "good.db")
    for statement in statements:
        assert faulty.run(statement) == good.run(statement), statement
        if statement == look:
            assert faulty.run(look, connection="second") == good.run(look, connection="second")
    faulty.end()
    good.end()
    assert path.read_bytes() == (tmp_path / "good.db").read_bytes()


def test_early_writes_reach_the_disk_in_parts_and_harm_nothing_that_was_synced(path, tmp_path):
    disk = FaultyDisk(tmp_path / "disk", early=0.5)
    shell = opened(path, disk)
    shell.run("INSERT INTO t VALUES (1)", "PRAGMA synchronous=OFF")
    before = path.with_name("t.db-wal").read_bytes()
    shell.run(*[f"INSERT INTO t VALUES ({n})" for n in range(2, 30)])
    shell.kill()
    after = path.with_name("t.db-wal").read_bytes()
    assert after != before and after.startswith(before)
    assert rows(path)[0] == 1


@pytest.mark.parametrize("fault", FAULTS)
def test_a_commit_fails_while_the_disk_does_and_not_after(path, disk, fault):
    shell = opened(path, disk)
    shell.run("INSERT INTO t VALUES (1)")
    disk.fail(fault)
    error = "SQLITE_FULL" if fault.endswith("full") else "SQLITE_IOERR"
    assert shell.run("INSERT INTO t VALUES (2)").startswith(error)
    disk.work()
    assert shell.run("INSERT INTO t VALUES (3)") == "[]"
    assert disk.injected() == {(fault, "wal"): 1}
    shell.kill()
    assert rows(path) == [1, 3]


def test_a_file_that_cannot_be_opened_can_be_later(path, disk):
    opened(path, disk).kill()
    disk.fail("open cantopen")
    shell = Shell(path, disk)
    assert shell.run("SELECT n FROM t") == "SQLITE_CANTOPEN"
    disk.work()
    assert shell.run("SELECT n FROM t") == "[]"
    assert disk.injected() == {("open cantopen", "db"): 1}
    shell.end()
