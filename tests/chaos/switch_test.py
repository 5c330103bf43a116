"""Two MariaDB, of which one replicates the other, both named in every service's --db; an operator switches them under
load.

What an operator must do, in this order: the old one is made read-only, which waits for COMMITs under way; the other
catches up with it; only then is that one made writable. Calls must succeed again soon, all alone, and nothing that was
answered may be lost or applied twice, whatever was in flight.
"""

import subprocess
import time

import pytest

from ports import free_ports
from rounds import Chaos, seeded
from servers import MariaDb
from stack import BIN, DATABASES, Server, eventually

SWITCHES = 4
NOTICED_S_MAX = 5
CATCH_UP_S_MAX = 30
ACKNOWLEDGED_MS_MAX = 3_600_000  # a COMMIT is not answered without a replica's word
REST_S = 15  # longer than what is asked least often
STATEMENTS_PER_S_MAX = 2


class Replicating(MariaDb):
    """One of two. It starts empty, so that it can follow the other from its first transaction on."""

    def begin(self, number):
        self.flags = (f"--server-id={number}", "--log-bin=binlog", "--log-slave-updates", "--gtid-strict-mode=1",
                      "--sync-binlog=1", "--slave-parallel-threads=4", "--slave-parallel-mode=optimistic",
                      "--rpl-semi-sync-slave-enabled=1", "--rpl-semi-sync-master-wait-point=AFTER_SYNC",
                      f"--rpl-semi-sync-master-timeout={ACKNOWLEDGED_MS_MAX}")
        self.initialize().start()
        self.query("RESET MASTER")  # each has made the same users itself
        return self

    def follow(self, leader):
        self.query(f"CHANGE MASTER TO master_host='127.0.0.1', master_port={leader.port}, master_user='admin', "
                   "master_password='admin-secret', master_use_gtid=slave_pos")
        self.query("START SLAVE")

    def lead(self):
        """Stops following; what it has written and replicated is where it would follow from again."""
        self.query("STOP SLAVE")
        self.query("RESET SLAVE ALL")

    def set_read_only(self, read_only):
        self.query(f"SET GLOBAL read_only = {int(read_only)}")

    def set_semi_synchronous(self, on):
        self.query(f"SET GLOBAL rpl_semi_sync_master_enabled = {int(on)}")

    def apply_all(self):
        """What has come from a leader that is gone."""
        eventually(lambda: any("read all relay log" in str(row) for row in self.query("SHOW PROCESSLIST")))

    def wait_for(self, leader):
        [[position]] = leader.query("SELECT @@gtid_binlog_pos")
        [[timed_out]] = self.query(f"SELECT MASTER_GTID_WAIT('{position}', {CATCH_UP_S_MAX})")
        assert timed_out == 0, f"has not reached {position}"


class Pair(Server):
    """As the services know them."""

    def __init__(self, leader, follower):
        self.leader, self.follower = leader, follower
        super().__init__(f"127.0.0.1:{leader.port},127.0.0.1:{follower.port}")

    def execute(self, statement):
        self.leader.execute(statement)

    def switch(self, cut_off):
        """As an operator does it, who may cut the services off first; returns when the new one became writable."""
        old, new = self.leader, self.follower
        if cut_off:
            old.query(f"KILL USER '{self.USER}'@'localhost'")
        old.set_read_only(True)
        new.wait_for(old)
        new.lead()
        new.set_read_only(False)
        at = time.monotonic()
        old.query("SET GLOBAL gtid_slave_pos = @@global.gtid_binlog_pos")
        old.follow(new)
        self.leader, self.follower = new, old
        return at


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    servers = []
    try:
        for number in (1, 2):
            servers.append(Replicating(tmp_path_factory.mktemp("mariadb")))
            servers[-1].begin(number)
        leader, follower = servers
        follower.set_read_only(True)
        follower.follow(leader)
        yield Pair(leader, follower)
    finally:
        for server in servers:
            server.stop()


@pytest.fixture(scope="module")
def chaos(pair, tmp_path_factory, request):
    chaos = Chaos(tmp_path_factory.mktemp("stack"), seeded(request), server=pair)
    look_at(chaos, pair, pair.leader)
    yield chaos
    chaos.stack.stop()


def look_at(chaos, pair, server):
    """From here on the checks read the databases of this one."""
    chaos.stack.databases = {name: f"mysql://{pair.USER}@127.0.0.1:{server.port}/{pair.prefix}_{name}"
                             for name in DATABASES}


def first_good(load, since):
    """How long after `since` the first call was answered that began after it."""
    def answered():
        return [answer.ended - since for answer in list(load.answers)
                if answer.status == 200 and answer.started >= since]
    return min(eventually(answered, seconds=30))


def test_writes_move_with_the_writable_host(chaos, pair):
    for number in range(SWITCHES):
        with chaos.load(f"switch-{number}") as load:
            in_flight = load.open_calls
            at = pair.switch(cut_off=number % 2 == 1)
            took = first_good(load, at)
            print(f"switch {number}: {in_flight} calls open; {took:.2f} s until the first good one")
            assert took < NOTICED_S_MAX
            look_at(chaos, pair, pair.leader)
    pair.follower.wait_for(pair.leader)
    look_at(chaos, pair, pair.follower)
    chaos.check()  # it holds the same
    look_at(chaos, pair, pair.leader)


def test_two_writable_hosts_are_refused_until_there_is_one(chaos, pair):
    with chaos.load("two") as load:
        pair.follower.set_read_only(False)
        at = time.monotonic()
        eventually(lambda: all(chaos.stack.get(face, "/health").status_code == 503
                               for face in ("coordinator", "orders", "customers")), seconds=NOTICED_S_MAX)
        print(f"two writable ones: 503 after {time.monotonic() - at:.2f} s")
        reply = chaos.stack.process([(chaos.skus[0], 1)], **{"Idempotency-Key": "refused"})
        assert reply.status_code == 503, reply.text
        pair.follower.set_read_only(True)
        at = time.monotonic()
        eventually(chaos.stack.healthy, seconds=NOTICED_S_MAX)
        print(f"one again: healthy after {time.monotonic() - at:.2f} s, good after {first_good(load, at):.2f} s")
    pair.follower.wait_for(pair.leader)  # nobody wrote to it, or it would have stopped


def test_no_host_that_is_writable_is_unhealthy_until_there_is_one(chaos, pair):
    pair.leader.set_read_only(True)
    eventually(lambda: chaos.stack.get("orders", "/health").status_code == 503, seconds=NOTICED_S_MAX)
    assert "no host is writable" in (chaos.stack.directory / "orders.log").read_text()
    pair.leader.set_read_only(False)
    eventually(chaos.stack.healthy, seconds=NOTICED_S_MAX)


def test_a_server_without_tls_is_refused_by_who_requires_it(pair, tmp_path):
    pair.execute("CREATE DATABASE sagamesh_tls")
    (port,) = free_ports(1)
    log = tmp_path / "customers.log"
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [BIN / "customers", f"--listen=127.0.0.1:{port}",
             f"--db=mysql://{Server.USER}@127.0.0.1:{pair.leader.port}/sagamesh_tls?ssl-mode=required"],
            stdout=output, stderr=output)
    try:
        eventually(lambda: "the server has no TLS" in log.read_text(), seconds=20)
    finally:
        process.terminate()
        process.wait(timeout=30)


def test_at_rest_each_process_asks_twice_a_second_at_most(chaos, pair):
    def statements():
        return {name: chaos.stack.metric(name, "sagamesh_db_statements_total") for name in DATABASES}

    time.sleep(1)  # what came last may be looked for once more
    before, began = statements(), time.monotonic()
    time.sleep(REST_S)
    asked, seconds = {name: count - before[name] for name, count in statements().items()}, time.monotonic() - began
    print(f"statements in {seconds:.2f} s at rest: {asked}")
    # What is asked each second may fall on both ends.
    assert all(0 < count <= STATEMENTS_PER_S_MAX * (seconds + 1) for count in asked.values())


def test_a_leader_that_dies_takes_nothing_with_it_that_a_replica_had_to_acknowledge(chaos, pair):
    """The last test: it uses the pair up."""
    pair.leader.set_semi_synchronous(True)
    with chaos.load("failover") as load:
        pair.leader.kill()
        eventually(lambda: chaos.stack.get("orders", "/health").status_code == 503, seconds=NOTICED_S_MAX)
        pair.follower.apply_all()
        pair.follower.lead()
        pair.follower.set_read_only(False)
        took = first_good(load, time.monotonic())
        print(f"failover: {took:.2f} s until the first good one")
        assert took < NOTICED_S_MAX
        pair.leader, pair.follower = pair.follower, pair.leader
        look_at(chaos, pair, pair.leader)
