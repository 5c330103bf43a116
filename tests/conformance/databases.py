"""What the three databases hold, decoded. Reads only; at rest, or the three would not be of one instant."""

import collections
import contextlib
from typing import NamedTuple

from engines import database
from stubs import barrier_row_pb2, customers_pb2, orders_pb2, record_pb2, saga_pb2

# As the columns `status` and `phase` number them: the contracts' own enums.
SAGA_STATE = saga_pb2.Saga.State.Name
ORDER_STATUS = orders_pb2.Order.Status.Name
RESERVATION_STATUS = customers_pb2.Reservation.Status.Name
CONTENT_KEY, EXPLICIT_KEY = 1, 2


class Saga(NamedTuple):
    saga_id: str
    definition: str
    state: str
    owner: str
    epoch: int
    version: int
    open_owner: str | None
    created_ms: int
    updated_ms: int
    record: record_pb2.StoredSaga

    @property
    def final(self):
        return self.state in ("SUCCEEDED", "COMPENSATED")

    @property
    def key(self):
        """What claims it: (principal, definition, kind, key)."""
        return (self.record.principal.decode(), self.definition, self.record.key_kind, self.record.key.decode())


class Key(NamedTuple):
    principal: str
    definition: str
    kind: int
    key: str
    fingerprint: str
    saga_id: str


class Order(NamedTuple):
    order_id: str
    customer_id: int
    status: str
    lines: dict[str, int]  # sku -> quantity
    total_cents: int
    saga_id: str
    created_ms: int
    sweep_ms: int | None


class Reservation(NamedTuple):
    order_id: str
    owner: str  # a saga's id, or "" for a direct caller
    status: str
    lines: dict[str, int]


class Product(NamedTuple):
    available: int
    reserved: int
    sold: int


class Movement(NamedTuple):
    sku: str
    movement_id: str
    kind: str
    order_id: str
    available: int
    reserved: int
    sold: int


class State(NamedTuple):
    sagas: dict[str, Saga]
    keys: list[Key]
    orders: dict[str, Order]
    orders_barrier: dict[tuple[str, str], barrier_row_pb2.BarrierRowRecord]  # by (id, scope)
    products: dict[str, Product]
    reservations: dict[str, Reservation]
    movements: list[Movement]
    customers_barrier: dict[tuple[str, str], barrier_row_pb2.BarrierRowRecord]
    at_ms: int  # the latest time that any row tells: the databases are at least as old


def _lines(items):
    lines = collections.Counter()
    for item in items:
        lines[item.sku] += item.quantity
    return dict(lines)


def merge_barrier(rows):
    """By (id, scope), from rows of (id, scope, record): the later results of a saga are in rows of their own."""
    merged = {}
    for row_id, scope, blob in sorted(rows):
        record = barrier_row_pb2.BarrierRowRecord.FromString(blob)
        if scope.startswith("saga/") and (row_id, "saga") in merged:
            merged[row_id, "saga"].results.extend(record.results)
        else:
            merged[row_id, scope] = record
    return merged


def _barrier(query):
    return merge_barrier(query("SELECT id, scope, record FROM barrier"))


def _sagas(query):
    rows = query("SELECT saga_id, definition, phase, owner, epoch, version, open_owner, created_ms, updated_ms, record "
                 "FROM sagas ORDER BY saga_id")
    return {row[0]: Saga(row[0], row[1], SAGA_STATE(row[2]), *row[3:9], record_pb2.StoredSaga.FromString(row[9]))
            for row in rows}


def _keys(query):
    rows = query("SELECT principal, definition, kind, idempotency_key, fingerprint, saga_id FROM saga_keys "
                 "ORDER BY key_hash")
    return [Key(*row) for row in rows]


def _orders(query):
    rows = query("SELECT order_id, customer_id, status, item_lines, total_cents, saga_id, created_ms, sweep_ms "
                 "FROM orders ORDER BY order_id")
    return {row[0]: Order(row[0], row[1], ORDER_STATUS(row[2]), _lines(orders_pb2.Order.FromString(row[3]).items),
                          *row[4:]) for row in rows}


def _products(query):
    rows = query("SELECT sku, available, reserved, sold FROM products ORDER BY sku")
    return {row[0]: Product(*row[1:]) for row in rows}


def _reservations(query):
    rows = query("SELECT order_id, owner, status, item_lines FROM reservations ORDER BY order_id")
    return {row[0]: Reservation(row[0], row[1], RESERVATION_STATUS(row[2]),
                                _lines(customers_pb2.Reservation.FromString(row[3]).items)) for row in rows}


def _movements(query):
    return [Movement(*row) for row in query("SELECT sku, movement_id, kind, order_id, available, reserved, sold "
                                            "FROM movements ORDER BY sku, movement_id")]


def load(coordinator, orders, customers):
    """The State in these three databases, each as engines.database() takes it."""
    with contextlib.ExitStack() as connections:
        journal, order_db, stock_db = (connections.enter_context(database(name).reading())
                                       for name in (coordinator, orders, customers))
        latest = [journal("SELECT MAX(updated_ms) FROM sagas"), order_db("SELECT MAX(created_ms) FROM orders"),
                  stock_db("SELECT MAX(updated_ms) FROM reservations")]
        return State(
            sagas=_sagas(journal),
            keys=_keys(journal),
            orders=_orders(order_db),
            orders_barrier=_barrier(order_db),
            products=_products(stock_db),
            reservations=_reservations(stock_db),
            movements=_movements(stock_db),
            customers_barrier=_barrier(stock_db),
            at_ms=max(latest_ms or 0 for [[latest_ms]] in latest))
