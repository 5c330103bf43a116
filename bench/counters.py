"""What a stack has used and done: CPU and memory of its processes, group commits, the database server's counters.

A Snapshot before and one after make the figures of the time between; `values` are named "GROUP.NAME".
"""

import os
import pathlib
import re
import resource
import time

import requests

TICKS = os.sysconf("SC_CLK_TCK")
# What SHOW GLOBAL STATUS counts, by the name it gets here; of several variables the sum. A server has not all of them:
# MariaDB does not count what it syncs of its log apart.
SERVER_COUNTERS = {
    "commits": ("Com_commit",),
    "log_fsyncs": ("Innodb_os_log_fsyncs",),
    "data_fsyncs": ("Innodb_data_fsyncs",),
    "log_bytes": ("Innodb_os_log_written",),
    "statements": ("Questions",),
    "executes": ("Com_stmt_execute",),
    "prepares": ("Com_stmt_prepare",),
    "rows_inserted": ("Handler_write",),
    "rows_updated": ("Handler_update",),
    "rows_deleted": ("Handler_delete",),
    "rows_read": ("Handler_read_first", "Handler_read_key", "Handler_read_last", "Handler_read_next",
                  "Handler_read_prev", "Handler_read_rnd", "Handler_read_rnd_next"),
    "lock_waits": ("Innodb_row_lock_waits",),
    "pages_read": ("Innodb_pages_read",),
    "pages_written": ("Innodb_pages_written",),
    "bytes_in": ("Bytes_received",),
    "bytes_out": ("Bytes_sent",),
}
# What the processes count, with all that must stand in front of the value.
BATCHES = re.compile(r"^sagamesh_batch_commits_total\b.* (\S+)$", re.MULTILINE)
BATCH_OPERATIONS = re.compile(r"^sagamesh_batch_operations_total\b.* (\S+)$", re.MULTILINE)
STATEMENTS = re.compile(r"^sagamesh_db_statements_total\b.* (\S+)$", re.MULTILINE)
STARTED = re.compile(r'^sagamesh_saga_requests_total\b.*outcome="started".* (\S+)$', re.MULTILINE)


def process_cpu_seconds(pid):
    """User and system time so far."""
    after_name = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(after_name[11]) + int(after_name[12])) / TICKS


def process_rss_mb(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def machine_cpu_seconds():
    """What all processes of the machine have used so far."""
    user, nice, system, _, _, irq, softirq, steal = map(int, pathlib.Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS


def children_cpu_seconds():
    """What the children that have ended used."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def server_counters(server):
    """By the names of SERVER_COUNTERS; empty for files."""
    if server is None:
        return {}
    status = dict(server.query("SHOW GLOBAL STATUS"))
    return {name: sum(int(status.get(variable, 0)) for variable in variables)
            for name, variables in SERVER_COUNTERS.items() if variables[0] in status}


class Machine:
    """What it has done by now."""

    def __init__(self):
        self.time, self.busy = time.monotonic(), machine_cpu_seconds()

    def others_share(self, before, own_seconds):
        """What part of all cores others took since."""
        others = self.busy - before.busy - own_seconds
        return max(others, 0) / ((self.time - before.time) * os.cpu_count())


def process_metrics(stack, name):
    """Of one look at its page, {pattern: the sum of what it finds}."""
    page = requests.get(f"http://{stack.address('m_' + name)}/metrics", timeout=10).text
    return {metric: sum(map(float, metric.findall(page)))
            for metric in (BATCHES, BATCH_OPERATIONS, STATEMENTS, STARTED)}


class Snapshot:
    def __init__(self, stack):
        self.stack = stack
        self.machine = Machine()
        self.cpu = {name: process_cpu_seconds(pid) for name, pid in stack.pids().items()}
        self.server = server_counters(stack.measured_server)
        self.metrics = {(name, metric): value for name in stack.metered_names
                        for metric, value in process_metrics(stack, name).items()}

    def values_since(self, before, sagas, driver_cpu_seconds):
        """What `sagas` sagas took between the two."""
        cpu = {name: self.cpu[name] - before.cpu[name] for name in self.cpu}
        cpu["driver"] = driver_cpu_seconds
        counted = {key: self.metrics[key] - before.metrics[key] for key in self.metrics}
        metered = self.stack.metered_names
        return {
            **{f"cpu.{name}": seconds * 1000 / sagas for name, seconds in cpu.items()},
            "cpu.sum": sum(cpu.values()) * 1000 / sagas,
            **{f"rss.{name}": process_rss_mb(pid) for name, pid in self.stack.pids().items()},
            **{f"batch.{name}": counted[name, BATCH_OPERATIONS] / counted[name, BATCHES] for name in metered
               if counted[name, BATCHES]},
            **{f"commits.{name}": counted[name, BATCHES] / sagas for name in metered},
            **{f"statements.{name}": counted[name, STATEMENTS] / sagas for name in metered},
            **{f"db.{name}": (self.server[name] - before.server[name]) / sagas for name in self.server},
            **({"started": counted["coordinator", STARTED] / sagas} if metered else {}),
            "others": self.machine.others_share(before.machine, sum(cpu.values())),
        }
