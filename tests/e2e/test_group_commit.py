"""Group commit, by each service's own counters."""

import concurrent.futures

from stubs import coordinator_pb2

SERVICES = ("coordinator", "orders", "customers")


def commits(stack):
    return {s: stack.metric(s, "sagamesh_batch_commits_total") for s in SERVICES}


def buy(stub, sku, key):
    request = coordinator_pb2.ProcessOrderRequest(customer_id=1, items=[{"sku": sku, "quantity": 1}])
    assert stub.ProcessOrder(request, metadata=[("idempotency-key", key)], timeout=60).status == 1


def test_a_lone_caller_costs_exactly_one_commit_a_write(own_stack):
    stack = own_stack()
    stub = stack.coordinator()
    buy(stub, "prod-123", "warm")
    before = commits(stack)
    for n in range(20):
        buy(stub, "prod-123", f"lone-{n}")
    after = commits(stack)
    assert {service: after[service] - count for service, count in before.items()} == dict.fromkeys(SERVICES, 40)


def test_256_callers_share_commits(own_stack):
    stack = own_stack()
    sku = stack.new_product("shared", available=100_000)
    stub = stack.coordinator()
    sagas = 4096

    def caller(number):
        for n in range(sagas // 256):
            buy(stub, sku, f"shared-{number}-{n}")

    before = commits(stack)
    with concurrent.futures.ThreadPoolExecutor(256) as pool:
        list(pool.map(caller, range(256)))
    after = commits(stack)
    for service in SERVICES:
        per_saga_and_path = (after[service] - before[service]) / sagas / 2
        print(f"{service}: {per_saga_and_path:.3f} commits a saga and write path")
        assert per_saga_and_path <= 0.3
    assert stack.counts(sku) == (100_000 - sagas, 0, sagas)
