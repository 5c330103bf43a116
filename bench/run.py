"""Measures a stack of its own and prints a report; scripts/bench builds, calls it, and tells the options.

Everything is on loopback, bounded in time and count, and stopped by its pid. Exits 1 if a call failed.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

from dtm import dtm_stacks
from measured import MeasuredStack, describe, engine
from lines import lines_of, seed, store, workloads_of
from recovery import RecoveryLine
from report import markdown
from summary import compare, relate, summarize
from svg import plot


@dataclasses.dataclass(frozen=True)
class Bench:
    """What a line is measured with. `server`: None for files."""

    options: argparse.Namespace
    directory: pathlib.Path
    server: object
    stack: MeasuredStack


def print_progress(number, name, values):
    shown = [f"{values[figure]:.{digits}f} {unit}" for figure, digits, unit in (
        ("sagas_per_second", 0, "sagas/s"), ("p50_ms", 1, "ms p50"), ("p99_ms", 1, "ms p99"),
        ("recovery.from_kill", 1, "s from the kill to the last end")) if figure in values]
    if "others" in values:
        shown.append(f"{values['others'] * 100:.0f}% others' CPU")
    print(f"run {number}: {name}: {', '.join(shown)}" + ("" if values["ok"] else "  FAILED"), flush=True)


def measure_line(bench, line):
    """A line that cannot be measured does not take the others with it."""
    try:
        return line.measure(bench)
    except (RuntimeError, subprocess.SubprocessError) as error:
        print(f"{line.name}: {error}", file=sys.stderr)
        return {"ok": False}


def measure(bench, lines):
    """The lines one after the other, and that as often as there are runs."""
    runs = []
    for number in range(1, bench.options.runs + 1):
        run = {}
        for line in lines:
            run[line.name] = measure_line(bench, line)
            print_progress(number, line.name, run[line.name])
        runs.append(relate(run))
    return summarize(runs)


def run(options, directory, server):
    db = options.db if server is None else describe(server)
    print(db, flush=True)
    workloads = workloads_of(options)
    stack = MeasuredStack(directory, server, options.rest)
    try:
        if options.preload:
            store(stack, options.preload, workloads[0])
        stack.start()
        for workload in workloads:
            seed(stack, workload)
        with dtm_stacks(directory, server, workloads) if options.peer else contextlib.nullcontext([]) as peers:
            lines = [RecoveryLine(workloads[0], options.kill_inflight)] if options.kill_inflight else (
                lines_of(options, workloads, peers))
            measured = measure(Bench(options, directory, server, stack), lines)
    finally:
        stack.stop()
    return {"db": db, "cores": os.cpu_count(), "runs": options.runs, "stored": options.preload, "lines": measured}


def write(options, report):
    """To the terminal and to the files that were asked for."""
    text = markdown(report, compare(report["lines"], options.compare["lines"]) if options.compare else None)
    print(f"\n{text}", flush=True)
    for file, content in ((options.markdown, text), (options.json, json.dumps(report, indent=2) + "\n"),
                          (options.svg, plot(report))):
        if file:
            file.write_text(content)


def number(low, high, kind=int):
    def parse(text):
        value = kind(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} is not within {low} and {high}")
        return value
    return parse


def numbers(low, high):
    return lambda text: [number(low, high)(one) for one in text.split(",")]


def size(text):
    """Bytes, as the server's settings have them."""
    if not re.fullmatch(r"[1-9][0-9]*[KMG]?", text):
        raise argparse.ArgumentTypeError(f"{text} is no size: 134217728, 512M, 4G")
    return text


def names(*known):
    def parse(text):
        if unknown := set(text.split(",")) - set(known):
            raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: not of {', '.join(known)}")
        return list(dict.fromkeys(text.split(",")))
    return parse


def old_report(path):
    try:
        return json.loads(pathlib.Path(path).read_text())
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{path} is no report: {error}") from None


def parse_options():
    parser = argparse.ArgumentParser(usage="scripts/bench --help", add_help=False, allow_abbrev=False)
    parser.add_argument("--db", choices=("sqlite", "mariadb", "mysql"), default="sqlite")
    parser.add_argument("--seconds", type=number(0.5, 600, float), default=10)
    parser.add_argument("--warmup", type=number(0, 60, float), default=2)
    parser.add_argument("--runs", type=number(1, 100), default=1)
    parser.add_argument("--workloads", type=names("spread", "hot", "replay"), default=["spread", "hot"])
    parser.add_argument("--rest", action="store_true")
    parser.add_argument("--callers", type=numbers(1, 4096), default=[1, 16, 64, 256])
    parser.add_argument("--rate", type=numbers(1, 100_000), default=[])
    parser.add_argument("--arrivals", choices=("poisson", "even"), default="poisson")
    parser.add_argument("--skus", type=number(2, 100_000), default=10_000)
    # No more can be in flight.
    parser.add_argument("--kill-inflight", type=number(1, 10_000), default=0)
    parser.add_argument("--preload", type=number(0, 100_000_000), default=0)
    parser.add_argument("--buffer-pool", type=size)
    for file in ("--markdown", "--json", "--svg"):
        parser.add_argument(file, type=pathlib.Path)
    parser.add_argument("--compare", type=old_report)
    parser.add_argument("--peer", choices=("dtm",))
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    if options.peer and (options.db == "sqlite" or options.rest or options.rate or options.kill_inflight or
                         "replay" in options.workloads):
        parser.error("--peer is measured on a database server, by callers of the workloads spread and hot, by gRPC")
    if options.buffer_pool and options.db == "sqlite":
        parser.error("--buffer-pool is a database server's")
    return options


def main():
    options = parse_options()
    # SIGTERM ends it as Ctrl-C does: by way of the finally blocks that stop the stack.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    directory = pathlib.Path(tempfile.mkdtemp(prefix="sagamesh-bench-"))
    try:
        with engine(options.db, directory / "server", options.buffer_pool) as server:
            report = run(options, directory, server)
    finally:
        if options.keep:
            print(f"kept: {directory}")
        else:
            shutil.rmtree(directory)
    write(options, report)
    failed = sum(not line["ok"] for line in report["lines"])
    if failed:
        print(f"{failed} lines had failed calls", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except (RuntimeError, subprocess.SubprocessError) as error:
        sys.exit(f"bench: {error}")
