"""Every replica is restarted, one after the other, under load. A client that repeats a call once needs no more."""

import time

from load import AGAIN, PAUSE_AFTER_FAILURE_S, Load
from rounds import errors_told
from stack import DATABASES

BETWEEN_S = 1.2  # longer than a client's backoff: it has connected again to the last one


class OneRetry(Load):
    """Its clients give a call up that fails twice."""

    def __init__(self, *arguments):
        self.failed_once, self.given_up = [], []
        super().__init__(*arguments)

    def _until_answered(self, client, path, request, key, headers=None):
        first = client.post(path, request, key, headers)
        self.answers.append(first)
        if first.status not in AGAIN:
            return first
        self.failed_once.append(first)
        time.sleep(PAUSE_AFTER_FAILURE_S)
        second = client.post(path, request, key, headers)
        self.answers.append(second)
        if second.status in AGAIN:
            self.given_up.append((first, second))
        return second


def test_no_call_fails_twice_while_every_replica_is_restarted_in_turn(chaos, cluster):
    with chaos.load("rolling", kind=OneRetry) as load:
        for service in DATABASES:
            for name in cluster.replicas[service]:
                began = time.monotonic()
                assert cluster.terminate(name) == 0
                ended = time.monotonic()
                cluster.start(name)
                back = time.monotonic()
                print(f"\n{name}: gone after {ended - began:.1f} s, back after {back - ended:.1f} s", end="")
                time.sleep(BETWEEN_S)
    print(f"\n{len(load.answers)} answers, {len(load.failed_once)} calls failed once, {len(load.given_up)} twice")
    assert not load.given_up, "\n".join(f"{first}\n  {second}" for first, second in load.given_up[:9])
    errors_told(load.answers, (503, "BACKEND_UNAVAILABLE"), (503, "SHUTTING_DOWN"))
