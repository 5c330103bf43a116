"""Two coordinators over one database are one to their callers: a key is one saga wherever it is asked for, and what one
commits the other one's watchers are told."""

import queue
import threading
import time

import grpc

from stack import eventually, fault
from stubs import coordinator_pb2, saga_pb2, status_of

KEYS = 40
DELAY_MS = 700
NOTICED_S_MAX = 1.5  # an end that the other replica wrote
WATCHED_S_MAX = 2


def outcome(call):
    """The bytes of the answer, or of the error."""
    try:
        return call.result()
    except grpc.RpcError as error:
        return status_of(error).SerializeToString()


def keys_with_prefix(cluster, prefix):
    return cluster.rows("coordinator", "SELECT idempotency_key, saga_id FROM saga_keys WHERE idempotency_key LIKE ?",
                        prefix + "%")


def count_sagas(cluster):
    [[count]] = cluster.rows("coordinator", "SELECT COUNT(*) FROM sagas")
    return count


def test_of_two_callers_with_one_key_at_two_coordinators_one_runs_and_both_get_its_bytes(chaos, cluster):
    before, available = count_sagas(cluster), cluster.product(chaos.skus[0])["available"]
    calls = []
    for number in range(KEYS):
        refused = fault(abort=9) if number % 4 == 0 else {}  # of four one fails for good
        calls.append([cluster.begin(name, f"twins-{number}", chaos.skus[0], faults=refused)
                      for name in cluster.replicas["coordinator"]])
    for number, (one, other) in enumerate(calls):
        first = outcome(one)
        assert first and first == outcome(other), f"twins-{number}"
    assert count_sagas(cluster) == before + KEYS
    assert cluster.product(chaos.skus[0])["available"] == available - KEYS * 3 // 4


def test_a_duplicate_that_comes_to_the_other_coordinator_attaches_to_the_saga_that_runs(chaos, cluster):
    for number, (one, other) in enumerate([("coordinator", "coordinator-2"), ("coordinator-2", "coordinator")]):
        key, before = f"late-twin-{number}", count_sagas(cluster)
        faults = fault(delay_ms=DELAY_MS)
        first = cluster.begin(one, key, chaos.skus[0], faults=faults)
        eventually(lambda key=key: keys_with_prefix(cluster, key), every=0.01)
        second = cluster.begin(other, key, chaos.skus[0], faults=faults)
        body = first.result()
        ended = time.monotonic()
        assert second.result() == body
        late = time.monotonic() - ended
        print(f"\nthe caller of {other} was answered {late:.2f} s after the one of {one}", end="")
        assert late < NOTICED_S_MAX
        assert count_sagas(cluster) == before + 1


class Watch:
    """Who watches every saga at one coordinator."""

    def __init__(self, cluster, name, resume_token=""):
        self._stream = cluster.sagas(name).WatchSagas(saga_pb2.WatchSagasRequest(resume_token=resume_token))
        self.told = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            for response in self._stream:
                self.told.put(response)
        except grpc.RpcError:
            pass  # cancelled

    def wait_for(self, saga_ids, seconds):
        """Until each was told as SUCCEEDED; returns the last token."""
        missing, token = set(saga_ids), None
        deadline = time.monotonic() + seconds
        while missing:
            response = self.told.get(timeout=max(0.01, deadline - time.monotonic()))
            token = response.resume_token
            if response.saga.state == saga_pb2.Saga.SUCCEEDED:
                missing.discard(response.saga.saga_id)
        return token

    def close(self):
        self._stream.cancel()


def buy(cluster, name, sku, prefix, count=5):
    calls = [cluster.begin(name, f"{prefix}-{number}", sku) for number in range(count)]
    return [coordinator_pb2.ProcessOrderResponse.FromString(call.result()).saga_id for call in calls]


def test_a_watcher_at_one_coordinator_is_told_what_the_other_commits(chaos, cluster):
    watch = Watch(cluster, "coordinator")
    try:
        token = watch.wait_for(buy(cluster, "coordinator", chaos.skus[0], "watched-here"), WATCHED_S_MAX)
        began = time.monotonic()
        elsewhere = buy(cluster, "coordinator-2", chaos.skus[0], "watched-there")
        watch.wait_for(elsewhere, WATCHED_S_MAX)
        print(f"\ntold {time.monotonic() - began:.2f} s after the first call at the other coordinator", end="")
    finally:
        watch.close()
    resumed = Watch(cluster, "coordinator-2", token)
    try:
        resumed.wait_for(elsewhere, WATCHED_S_MAX)
    finally:
        resumed.close()
