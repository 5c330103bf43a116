"""Two looks at the same databases."""


def history_only_grows(before, after):
    """2 and 8, of two States of the same databases: what is final stays, epochs rise, the ledger keeps its lines."""
    for order_id, order in before.orders.items():
        now = after.orders.get(order_id)
        saga = before.sagas.get(order.saga_id)
        final = order.status == "CANCELLED" or (order.status == "CONFIRMED" and (saga is None or saga.final))
        if now is None or (final and now != order):
            yield 2, f"order {order_id} was {order.status} for good and is {now.status if now else 'absent'}"
    kept = set(after.movements)
    for movement in before.movements:
        if movement not in kept:
            yield 2, f"movement {movement.movement_id} of {movement.sku} is gone or changed"
    for saga_id, saga in before.sagas.items():
        now = after.sagas.get(saga_id)
        if now is None or (saga.final and now != saga):
            yield 2, f"saga {saga_id} was {saga.state} and is {'absent' if now is None else 'changed'}"
        elif (now.epoch, now.version) < (saga.epoch, saga.version):
            yield 8, (f"saga {saga_id} was written under epoch {saga.epoch}, version {saga.version}, and is at "
                      f"{now.epoch}, {now.version}")
    for name in ("orders_barrier", "customers_barrier"):
        for row, record in getattr(before, name).items():
            now = getattr(after, name).get(row)
            if now is not None and now.epoch < record.epoch:
                yield 8, f"{name} row {row[0]} had seen epoch {record.epoch} and now {now.epoch}"
