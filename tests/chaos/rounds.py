"""Rounds of load over one Sagamesh in which something happens to it, and what must hold after each of them."""

import collections
import concurrent.futures
import contextlib
import random
import signal
import time

import check as conformance
from answers import error_info
from load import UNANSWERED, Client, Load
from stack import Server, Stack, eventually

OPEN_CALLS_MIN = 32
INITIAL_STOCK = 1_000_000
PROGRESS = 40  # good answers after what happened, before the clients stop
SETTLE_S_MAX = 60
EARLIER_SAMPLE = 400  # of earlier rounds' calls, repeated in each round; all of them are after the last one
ASKERS = 8
CLEAR_ERRORS = {(400, "INVALID_FIELD"), (500, "FAULT_INJECTED"),  # what the load asks for
                (503, "DATABASE_UNAVAILABLE"), (503, "STEP_FAILED"), (504, "STEP_FAILED"),
                (504, "BACKEND_TIMEOUT"), (504, "SAGA_STILL_RUNNING")}


class Lost(AssertionError):
    """The databases, or the answer to a repeated call, are not what was answered."""


class Chaos:
    """`database`: the server of tests/databases/servers.py that is its own; None: the databases are files. `kind` of
    Stack."""

    def __init__(self, directory, rng, database=None, kind=Stack, **stack):
        self.rng = rng
        self.database = database
        if database is not None:
            stack["server"] = Server(f"127.0.0.1:{database.port}")
        self.stack = kind(directory, **stack).start()
        self.skus = [self.stack.new_product(f"chaos-{i}", available=INITIAL_STOCK) for i in range(3)]
        self.answers = []
        self.state = None  # as of the last check

    @contextlib.contextmanager
    def load(self, name, kind=Load, repeat_at_most=None):
        """Clients are busy when the body begins. After it they get on, and stop; then nothing may be lost."""
        load = kind(self.stack, self.skus, name)
        try:
            eventually(lambda: load.open_calls >= OPEN_CALLS_MIN, every=0.005)
            time.sleep(self.rng.uniform(0.05, 0.6))
            yield load
            good = load.good()
            eventually(lambda: load.good() >= good + PROGRESS)
        finally:
            load.stop()
        eventually(lambda: not self.stack.open_sagas(), seconds=SETTLE_S_MAX, every=0.02)
        self.ask_again(load.answers, at_most=repeat_at_most)
        self.ask_again(self.answers, at_most=EARLIER_SAMPLE)
        self.answers += load.answers
        self.check()

    def check(self):
        state, violations = conformance.check(**self.stack.databases, answers=self.answers, before=self.state)
        if violations:
            raise Lost("\n".join(f"{number}: {what}" for number, what in violations[:20]))
        parked = [saga.saga_id for saga in state.sagas.values() if saga.state == "PARKED"]
        assert not parked, f"sagas wait for an operator: {parked}"
        self.state = state

    def ask_again(self, answers, at_most=None):
        """Calls that were answered 200, with their keys: the same bytes. Returns how many."""
        good = list({(answer.path, answer.key): answer for answer in answers if answer.status == 200}.values())
        if at_most is not None and len(good) > at_most:
            good = self.rng.sample(good, at_most)
        by_face = collections.defaultdict(list)
        for answer in good:
            by_face[_face(answer.path)].append(answer)
        for face, of_face in by_face.items():
            self._expect_same_bytes(face, of_face)
        return len(good)

    def _expect_same_bytes(self, face, answers):
        def ask(share):
            client = Client(self.stack, face)
            for answer in share:
                again = client.post(answer.path, answer.request, answer.key)
                if (again.status, again.body) != (200, answer.body):
                    raise Lost(f"{answer} was answered {again}")
            client.close()

        with concurrent.futures.ThreadPoolExecutor(ASKERS) as pool:
            for done in [pool.submit(ask, answers[i::ASKERS]) for i in range(ASKERS)]:
                done.result()


@contextlib.contextmanager
def stopped(process):
    """It stands still, and its sockets stay open."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def errors_told(answers, *more):
    """How often each error was told, by (status, who said so, reason); each must be one that a caller can act on: of
    CLEAR_ERRORS, or one `more`."""
    told = collections.Counter()
    for answer in answers:
        if answer.status not in (UNANSWERED, 200):
            info = error_info(answer.error())
            told[answer.status, info.domain, info.reason] += 1
    assert {(status, reason) for status, _, reason in told} <= {*CLEAR_ERRORS, *more}, told
    return told


def _face(path):
    return {"orders": "orders", "products": "customers"}.get(path.split("/")[1], "coordinator")


def seeded(request):
    """The run's chance, from --seed or printed."""
    seed = request.config.getoption("--seed")
    seed = random.SystemRandom().randrange(1 << 32) if seed is None else seed
    print(f"\nseed {seed} (--seed={seed} repeats the victims and the waits, not the scheduling)")
    return random.Random(seed)
