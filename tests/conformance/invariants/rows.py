"""How to read a State's rows."""

SAGA_SCOPE = "saga"  # of a saga's barrier row
ORDER_SAGA = "process_order"  # the definition whose steps are at orders and customers


def saga_rows(barrier):
    return {row_id: record for (row_id, scope), record in barrier.items() if scope == SAGA_SCOPE}


def parked(state, saga_id):
    """An operator's: what it holds waits with it."""
    return saga_id in state.sagas and state.sagas[saga_id].state == "PARKED"


def succeeded(record, method):
    """Whether a barrier row holds an action of this method that succeeded."""
    return any(r.method == method and not r.compensation and not r.refused for r in record.results)
