"""Runs bench_floor and bench_load against a stack of its own and prints a table; scripts/bench builds and calls it.

Everything is on loopback, bounded in time and count, and stopped by its pid. Exits 1 if a call failed.
"""

import argparse
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

import grpc

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "e2e"))
from ports import free_ports  # noqa: E402

SERVICES = ("customers", "orders", "coordinator")
HEALTHY_SECONDS_MAX = 60
STOP_SECONDS_MAX = 20
SEED_SECONDS_MAX = 300
FLOOR_SECONDS_MAX = 10
# HealthCheckResponse{status: SERVING} on the wire.
HEALTH_SERVING = b"\x08\x01"
TICKS = os.sysconf("SC_CLK_TCK")


class Stack:
    """The three C++ services; clients speak gRPC, so there is no gateway."""

    def __init__(self, binaries, directory):
        self.binaries, self.directory = binaries, directory
        ports = free_ports(2 * len(SERVICES))
        self.address = {name: f"127.0.0.1:{ports[i]}" for i, name in enumerate(SERVICES)}
        self.metrics_address = {name: f"127.0.0.1:{ports[len(SERVICES) + i]}" for i, name in enumerate(SERVICES)}
        self.processes = {}

    def command(self, name):
        command = [self.binaries / name, f"--listen={self.address[name]}", f"--metrics={self.metrics_address[name]}",
                   f"--db=sqlite:{self.directory / name}.db"]
        if name == "customers":
            command.append("--seed-demo")
        if name == "orders":
            command.append(f"--customers={self.address['customers']}")
        if name == "coordinator":
            command.append(f"--participants=orders.v1.OrdersService={self.address['orders']}")
        return command

    def start(self):
        for name in SERVICES:
            with open(self.directory / f"{name}.log", "wb") as log:
                # In a session of its own, so that a Ctrl-C reaches only this program, which then stops it.
                self.processes[name] = subprocess.Popen(
                    self.command(name), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + HEALTHY_SECONDS_MAX
        while not all(self.is_serving(name) for name in SERVICES):
            for name, process in self.processes.items():
                if process.poll() is not None:
                    raise RuntimeError(f"{name} ended: {(self.directory / f'{name}.log').read_text()[-2000:]}")
            if time.monotonic() > deadline:
                raise RuntimeError("the stack did not come up")
            time.sleep(0.05)

    def is_serving(self, name):
        with grpc.insecure_channel(self.address[name]) as channel:
            check = channel.unary_unary("/grpc.health.v1.Health/Check")  # bytes in, bytes out
            try:
                return check(b"", timeout=1) == HEALTH_SERVING
            except grpc.RpcError:
                return False

    def stop(self):
        for process in self.processes.values():
            process.terminate()
        deadline = time.monotonic() + STOP_SECONDS_MAX
        for name, process in self.processes.items():
            try:
                process.wait(timeout=max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                print(f"{name} (pid {process.pid}) did not end in time: killing it", file=sys.stderr)
                process.kill()
                process.wait()
        self.processes.clear()

    def cpu_seconds(self):
        """User and system time of each process so far."""
        seconds = {}
        for name, process in self.processes.items():
            after_name = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
            seconds[name] = (int(after_name[11]) + int(after_name[12])) / TICKS
        return seconds

    def batches(self):
        """Per process: commits of all group-commit queues so far, and the operations in them."""
        return {name: (self.metric(name, "sagamesh_batch_commits_total"),
                       self.metric(name, "sagamesh_batch_operations_total")) for name in SERVICES}

    def metric(self, name, metric):
        with urllib.request.urlopen(f"http://{self.metrics_address[name]}/metrics", timeout=10) as reply:
            text = reply.read().decode()
        return sum(float(value) for value in re.findall(rf"^{metric}(?:{{.*}})? (\S+)$", text, re.MULTILINE))


def machine_cpu_seconds():
    """What all processes of the machine have used so far."""
    user, nice, system, _, _, irq, softirq, steal = map(int, pathlib.Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS


def children_cpu_seconds():
    """What the children that have ended used."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measure_floor(options, directory, skus):
    """What the store takes by hand-made SQL."""
    floor_directory = directory / f"floor-{skus}"
    floor_directory.mkdir()
    seconds = min(options.seconds, FLOOR_SECONDS_MAX)
    began, machine, own = time.monotonic(), machine_cpu_seconds(), children_cpu_seconds()
    output = subprocess.run(
        [options.bin / "bench_floor", f"--dir={floor_directory}", f"--skus={skus}", f"--warmup={options.warmup}s",
         f"--duration={seconds}s"],
        check=True, stdout=subprocess.PIPE, text=True, timeout=seconds + options.warmup + 60).stdout
    others = machine_cpu_seconds() - machine - (children_cpu_seconds() - own)
    result = json.loads(output)
    result.update(skus=skus, others_share=max(others, 0) / ((time.monotonic() - began) * os.cpu_count()))
    shutil.rmtree(floor_directory)
    return result


def seed(options, stack, prefix, skus):
    subprocess.run(
        [options.bin / "bench_load", "--seed-products", f"--customers={stack.address['customers']}",
         f"--sku-prefix={prefix}", f"--skus={skus}"], check=True, timeout=SEED_SECONDS_MAX)


def measure(options, stack, prefix, skus, callers):
    """One line of the table."""
    driver = subprocess.Popen(
        [options.bin / "bench_load", f"--coordinator={stack.address['coordinator']}", f"--sku-prefix={prefix}",
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
        cpu_seconds_per_1000={name: (cpu_after[name] - cpu[name]) * 1000 / sagas for name in SERVICES},
        operations_per_commit={
            name: (batches_after[name][1] - batches[name][1]) / max(batches_after[name][0] - batches[name][0], 1)
            for name in SERVICES},
        commits_per_saga={name: (batches_after[name][0] - batches[name][0]) / sagas for name in SERVICES})
    ours = sum(cpu_after[name] - cpu[name] for name in SERVICES) + result["driver_cpu_seconds"]
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
callers   skus  sagas/s  p50 ms   p99 ms  floor  coordin. orders customers driver   coordin. orders customers    CPU"""


def print_line(result):
    cpu, size = result["cpu_seconds_per_1000"], result["operations_per_commit"]
    print(f"{result['callers']:7d} {result['skus']:6d} {result['sagas_per_second']:8.0f} {result['p50_ms']:7.1f} "
          f"{result['p99_ms']:8.1f} {result['of_floor'] * 100:5.1f}% {cpu['coordinator']:9.3f} {cpu['orders']:6.3f} "
          f"{cpu['customers']:9.3f} {cpu['driver']:6.3f}  {size['coordinator']:9.1f} {size['orders']:6.1f} "
          f"{size['customers']:9.1f} {result['others_share'] * 100:5.0f}%" + ("" if result["ok"] else "   FAILED"), flush=True)


def run(options, directory):
    workloads = [("spread-", options.skus), ("hot-", 1)]
    report = {"cores": os.cpu_count(), "floor": {}, "lines": []}
    for _, skus in workloads:
        floor = report["floor"][skus] = measure_floor(options, directory, skus)
        print(f"floor, {skus} skus: {floor['sagas_per_second']:.0f} sagas/s; "
              f"others' CPU {floor['others_share'] * 100:.0f}%", flush=True)
    stack = Stack(options.bin, directory)
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
    parser.add_argument("--bin", type=lambda path: pathlib.Path(path).resolve(), required=True)
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
        report = run(options, directory)
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
