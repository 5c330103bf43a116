"""Invariant 1, and what a reservation's movements must be."""

import collections

# What stock an order's movement takes and gives, in units of its quantity: (available, reserved, sold).
EFFECTS = {"reserve": (-1, 1, 0), "commit": (0, -1, 1), "release": (1, -1, 0), "reversal": (1, 0, -1)}
# The movements of each line of a reservation, by its status; a release that found nothing has no lines.
HISTORIES = {
    "RESERVED": [{"reserve"}],
    "COMMITTED": [{"reserve", "commit"}],
    "RELEASED": [{"reserve", "release"}, {"reserve", "commit", "reversal"}],
}


def stock_adds_up(state, answers):
    """1"""
    sums = collections.defaultdict(lambda: [0, 0, 0])
    brought = collections.Counter()
    for movement in state.movements:
        if movement.sku not in state.products:
            yield f"movement {movement.movement_id} is of product {movement.sku}, which is gone"
        for i, units in enumerate(movement[4:7]):
            sums[movement.sku][i] += units
        if movement.kind in ("initial", "restock"):
            brought[movement.sku] += movement.available
        if movement.kind not in EFFECTS and movement.kind not in ("initial", "restock"):
            yield f"movement {movement.movement_id} of {movement.sku} is of no known kind: {movement.kind}"
    for sku, product in state.products.items():
        if min(product) < 0:
            yield f"product {sku} has a negative balance: {tuple(product)}"
        if tuple(sums[sku]) != tuple(product):
            yield f"product {sku} has the balances {tuple(product)}, its movements sum to {tuple(sums[sku])}"
        if sum(product) != brought[sku]:
            yield f"product {sku} has {sum(product)} units, {brought[sku]} were brought (initial and restocked)"
    yield from _restocks(state, answers)


def _restocks(state, answers):
    """What was answered came once; what was asked for, answered or not, came at most once."""
    asked = collections.defaultdict(dict)  # by product: by intent, (units, whether it was answered 200)
    for number, answer in enumerate(answers):
        if answer.method == "POST" and answer.path.endswith("/restock"):
            calls = asked[answer.path.split("/")[2]]
            intent = number if answer.key is None else answer.key
            good = answer.status == 200 or (intent in calls and calls[intent][1])
            calls[intent] = (int(answer.request["quantity"]), good)
    came = collections.Counter()
    for movement in state.movements:
        if movement.kind == "restock":
            came[movement.sku] += movement.available
    for sku, calls in asked.items():
        least = sum(units for units, good in calls.values() if good)
        most = sum(units for units, _ in calls.values())
        if not least <= came[sku] <= most:
            yield (f"product {sku} was answered {least} restocked units of {most} that were asked for, its movements "
                   f"hold {came[sku]}")


def reservation_history(state):
    """Each reservation against its movements: committed once, reversed once, nothing else."""
    kinds = collections.defaultdict(list)
    for movement in state.movements:
        if not movement.order_id:
            continue
        kinds[movement.order_id, movement.sku].append(movement.kind)
        reservation = state.reservations.get(movement.order_id)
        if reservation is None:
            yield f"movement {movement.movement_id} of {movement.sku}: order {movement.order_id} has no reservation"
            continue
        quantity = reservation.lines.get(movement.sku, 0)
        effect = EFFECTS.get(movement.kind)
        if effect and movement[4:7] != tuple(quantity * sign for sign in effect):
            yield (f"movement {movement.movement_id} of {movement.sku} moves {movement[4:7]}, the reservation holds "
                   f"{quantity}")
    for order_id, reservation in state.reservations.items():
        for sku in reservation.lines:
            found = kinds[order_id, sku]
            if len(found) != len(set(found)) or set(found) not in HISTORIES[reservation.status]:
                yield (f"reservation of order {order_id} is {reservation.status}, its movements of {sku} are "
                       f"{sorted(found)}")
