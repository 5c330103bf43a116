"""What a cluster asks of its database when nobody asks anything of it."""

import contextlib
import time

BRIEF_REST_S, REST_S = 3, 8
STATEMENTS_PER_S_MAX = 2
SAGAS, DOUBLINGS = 100, 5  # at each coordinator
ROWS_PER_S_GROWTH_MAX = 20
NAMES = [f"{service}{number}" for service in ("customers", "orders", "coordinator") for number in ("", "-2")]


def look(chaos):
    """(statements so far by process, rows that the server has read for anybody, when)"""
    statements = {name: chaos.stack.metric(name, "sagamesh_db_statements_total") for name in NAMES}
    read = sum(int(count) for name, count in chaos.database.query("SHOW GLOBAL STATUS LIKE 'Handler_read%'"))
    return statements, read, time.monotonic()


def rates_at_rest(chaos, seconds):
    """(statements a second by process, rows read a second)"""
    time.sleep(1)  # what came last may be looked for once more
    before, read_before, began = look(chaos)
    time.sleep(seconds)
    after, read_after, ended = look(chaos)
    seconds = ended - began
    return {name: (after[name] - before[name]) / seconds for name in NAMES}, (read_after - read_before) / seconds


@contextlib.contextmanager
def history(cluster, sku):
    """Some sagas that ended, and for as long as this context lasts many copies of them."""
    for name in cluster.replicas["coordinator"]:
        for call in [cluster.begin(name, f"history-{name}-{number}", sku) for number in range(SAGAS)]:
            call.result()
    with cluster.session("coordinator") as cursor:
        for _ in range(DOUBLINGS):
            columns = ("definition, phase, stuck, owner, epoch, version, takeovers, open_owner, due_ms, created_ms, "
                       "updated_ms, record")
            cursor.execute(f"INSERT INTO sagas (saga_id, {columns}) SELECT UUID(), {columns} FROM sagas")
        cursor.connection.commit()
        cursor.execute("SELECT COUNT(*) FROM sagas")
        [[count]] = cursor.fetchall()
        yield count
        cursor.execute("DELETE FROM sagas WHERE saga_id NOT IN (SELECT saga_id FROM saga_keys)")
        cursor.connection.commit()


def test_at_rest_each_replica_asks_twice_a_second_at_most_and_no_more_with_history(chaos, cluster):
    few, rows_with_few = rates_at_rest(chaos, BRIEF_REST_S)
    with history(cluster, chaos.skus[0]) as sagas:
        many, rows_with_many = rates_at_rest(chaos, REST_S)
    print(f"\nstatements a second at rest, and with {sagas} sagas that ended: " +
          ", ".join(f"{name} {few[name]:.2f} {many[name]:.2f}" for name in NAMES) +
          f"; rows read a second: {rows_with_few:.1f} {rows_with_many:.1f}")
    # What comes each second may fall on both ends of the time.
    assert all(0 < rate <= STATEMENTS_PER_S_MAX * (1 + 1 / REST_S) for rate in many.values()), many
    assert rows_with_many <= rows_with_few + ROWS_PER_S_GROWTH_MAX
