"""The invariants of docs/semantics.md, one function each, over the databases at rest and the clients' answers.

Each yields sentences that name the row; it knows what the rows mean, not how the services come to write them.
Invariant 10 is measured where there is load.
"""

from .history import history_only_grows
from .keys import duplicates_attach, one_effect_per_key
from .orders import answered_orders_exist, orders_and_reservations_agree
from .sagas import compensation_follows_the_decision, epochs_only_rise, sagas_end, tombstones_hold
from .stock import stock_adds_up

INVARIANTS = {
    1: stock_adds_up,
    2: orders_and_reservations_agree,
    3: answered_orders_exist,
    4: one_effect_per_key,
    5: duplicates_attach,
    6: tombstones_hold,
    7: compensation_follows_the_decision,
    8: epochs_only_rise,
    9: sagas_end,
}

__all__ = ["INVARIANTS", "history_only_grows"]
