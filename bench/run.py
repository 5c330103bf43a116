"""Runs bench_floor and bench_load against a stack of its own and prints a table; scripts/bench builds and calls it.

Everything is on loopback, bounded in time and count, and stopped by its pid. Exits 1 if a call failed.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from measured import (MeasuredStack, children_cpu_seconds, describe, engine, machine_cpu_seconds, own_databases,
                      process_cpu_seconds)
from stack import BIN, DATABASES, Server

SEED_SECONDS_MAX = 300
FLOOR_SECONDS_MAX = 10


def measure_floor(options, directory, server, skus):
    """What the store takes by hand-made SQL."""
    floor_directory = directory / f"floor-{skus}"
    floor_directory.mkdir()
    databases = own_databases(server)
    url = f"sqlite:{floor_directory}/{{}}.db"
    if databases is not None:
        databases.create_databases()
        url = databases.url("{}")
    seconds = min(options.seconds, FLOOR_SECONDS_MAX)
    began, machine, own = time.monotonic(), machine_cpu_seconds(), children_cpu_seconds()
    serving = 0 if server is None else process_cpu_seconds(server.process.pid)
    output = subprocess.run(
        [BIN / "bench_floor", f"--db={url}", f"--skus={skus}", f"--warmup={options.warmup}s", f"--duration={seconds}s"],
        check=True, stdout=subprocess.PIPE, text=True, timeout=seconds + options.warmup + 60,
        env={**os.environ, "SAGAMESH_DB_PASSWORD": Server.PASSWORD}).stdout
    ours = children_cpu_seconds() - own
    if server is not None:
        ours += process_cpu_seconds(server.process.pid) - serving
    others = machine_cpu_seconds() - machine - ours
    result = json.loads(output)
    result.update(skus=skus, others_share=max(others, 0) / ((time.monotonic() - began) * os.cpu_count()))
    shutil.rmtree(floor_directory)
    if databases is not None:
        databases.drop_databases()
    return result


def seed(options, stack, prefix, skus):
    subprocess.run(
        [BIN / "bench_load", "--seed-products", f"--customers={stack.address('customers')}",
         f"--sku-prefix={prefix}", f"--skus={skus}"], check=True, timeout=SEED_SECONDS_MAX)


def measure(options, stack, prefix, skus, callers):
    """One line of the table."""
    driver = subprocess.Popen(
        [BIN / "bench_load", f"--coordinator={stack.address('coordinator')}", f"--sku-prefix={prefix}",
         f"--skus={skus}", f"--callers={callers}", f"--warmup={options.warmup}s", f"--duration={options.seconds}s"],
        stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        wait_for_line(driver, "measuring")
        batches, machine, cpu = stack.batches(), machine_cpu_seconds(), stack.cpu_seconds()
        line = wait_for_line(driver, "measured")
        cpu_after, machine_after = stack.cpu_seconds(), machine_cpu_seconds()
        batches_after = stack.batches()
        code = driver.wait(timeout=60)
    finally:
        if driver.poll() is None:
            driver.kill()
            driver.wait()
    result = json.loads(line.split(" ", 1)[1])
    sagas = max(result["sagas"], 1)
    result.update(
        callers=callers, skus=skus, ok=code == 0 and result["failed"] == 0 and result["sagas"] > 0,
        sagas_per_second=result["sagas"] / result["seconds"],
        cpu_seconds_per_1000={name: (cpu_after[name] - cpu[name]) * 1000 / sagas for name in cpu},
        operations_per_commit={
            name: (batches_after[name][1] - batches[name][1]) / max(batches_after[name][0] - batches[name][0], 1)
            for name in DATABASES},
        commits_per_saga={name: (batches_after[name][0] - batches[name][0]) / sagas for name in DATABASES})
    ours = sum(cpu_after[name] - cpu[name] for name in cpu) + result["driver_cpu_seconds"]
    others = max(machine_after - machine - ours, 0)
    result["others_share"] = others / (result["seconds"] * os.cpu_count())
    result["cpu_seconds_per_1000"]["driver"] = result["driver_cpu_seconds"] * 1000 / sagas
    return result


def wait_for_line(driver, word):
    for line in driver.stdout:
        if line.startswith(word):
            return line
    raise RuntimeError(f"bench_load ended (code {driver.wait()}) before it said {word!r}")


HEADER = """\
                                                   CPU seconds per 1,000 sagas         operations per commit      others'
callers   skus  sagas/s  p50 ms   p99 ms  floor  coordin. orders customers server driver   coordin. orders customers    CPU"""


def print_line(result):
    cpu, size = result["cpu_seconds_per_1000"], result["operations_per_commit"]
    print(f"{result['callers']:7d} {result['skus']:6d} {result['sagas_per_second']:8.0f} {result['p50_ms']:7.1f} "
          f"{result['p99_ms']:8.1f} {result['of_floor'] * 100:5.1f}% {cpu['coordinator']:9.3f} {cpu['orders']:6.3f} "
          f"{cpu['customers']:9.3f} {cpu.get('server', 0):6.3f} {cpu['driver']:6.3f}  {size['coordinator']:9.1f} "
          f"{size['orders']:6.1f} {size['customers']:9.1f} {result['others_share'] * 100:5.0f}%"
          + ("" if result["ok"] else "   FAILED"), flush=True)


def run(options, directory, server):
    workloads = [("spread-", options.skus), ("hot-", 1)]
    db = options.db if server is None else describe(server)
    report = {"cores": os.cpu_count(), "db": db, "floor": {}, "lines": []}
    print(report["db"], flush=True)
    for _, skus in workloads:
        floor = report["floor"][skus] = measure_floor(options, directory, server, skus)
        print(f"floor, {skus} skus: {floor['sagas_per_second']:.0f} sagas/s; "
              f"others' CPU {floor['others_share'] * 100:.0f}%", flush=True)
    stack = MeasuredStack(directory, server)
    try:
        stack.start()
        for prefix, skus in workloads:
            seed(options, stack, prefix, skus)
        print(f"\n{HEADER}", flush=True)
        for prefix, skus in workloads:
            for callers in options.callers:
                result = measure(options, stack, prefix, skus, callers)
                result["of_floor"] = result["sagas_per_second"] / report["floor"][skus]["sagas_per_second"]
                print_line(result)
                report["lines"].append(result)
    finally:
        stack.stop()
    return report


def number(low, high, kind=int):
    def parse(text):
        value = kind(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} is not within {low} and {high}")
        return value
    return parse


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--db", choices=("sqlite", "mariadb", "mysql"), default="sqlite")
    parser.add_argument("--seconds", type=number(0.5, 600, float), default=10)
    parser.add_argument("--warmup", type=number(0, 60, float), default=2)
    parser.add_argument("--callers", type=lambda text: [number(1, 4096)(n) for n in text.split(",")],
                        default=[1, 16, 64, 256])
    parser.add_argument("--skus", type=number(2, 100_000), default=10_000)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    # SIGTERM ends it as Ctrl-C does: by way of the finally blocks that stop the stack.
    signal.signal(signal.SIGTERM, signal.default_int_handler)

    directory = pathlib.Path(tempfile.mkdtemp(prefix="sagamesh-bench-"))
    try:
        with engine(options.db, directory / "server") as server:
            report = run(options, directory, server)
    finally:
        if options.keep:
            print(f"kept: {directory}")
        else:
            shutil.rmtree(directory)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
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
