"""Checks that what three databases at rest hold, and what clients were told, keeps the invariants of docs/semantics.md.

usage: check.py --coordinator DB --orders DB --customers DB [--answers FILE.jsonl]

DB is a database as the service's --db names it, or an SQLite file: engines.py. Prints each violation as `NUMBER: what`,
and exits 1 if there is one. answers.py says what FILE holds. The databases are only read; no saga may be under way, or
it counts as one that did not end.
"""

import argparse
import collections
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

import answers as answers_file  # noqa: E402
import databases  # noqa: E402
from invariants import INVARIANTS, history_only_grows  # noqa: E402


def violations(state, answers=()):
    """Every violation, as (number of the invariant, what)."""
    answers = list(answers)
    return [(number, what) for number, invariant in INVARIANTS.items() for what in invariant(state, answers)]


def check(coordinator, orders, customers, answers=(), before=None):
    """The same from the databases; `before` is an earlier State of them. Returns (State, violations)."""
    state = databases.load(coordinator, orders, customers)
    found = violations(state, answers)
    return state, found + list(history_only_grows(before, state) if before else ())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("coordinator", "orders", "customers"):
        parser.add_argument(f"--{name}", required=True, metavar="DB")
    parser.add_argument("--answers", metavar="FILE.jsonl")
    arguments = parser.parse_args()
    answers = answers_file.read(arguments.answers) if arguments.answers else []
    state, found = check(arguments.coordinator, arguments.orders, arguments.customers, answers)
    for number, what in found:
        print(f"{number}: {what}")
    sagas = collections.Counter(saga.state for saga in state.sagas.values())
    print(f"{len(found)} violations in {dict(sagas)} sagas, {len(state.orders)} orders, "
          f"{len(state.products)} products, {len(answers)} answers", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
