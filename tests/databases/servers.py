"""Private database servers: each with a data directory of its own, on a free port of loopback, stopped by its pid.

usage: servers.py [--only=NAME] COMMAND...

Starts each server that is installed, runs COMMAND with SAGAMESH_TEST_SERVERS="NAME=HOST:PORT ...", stops them, and exits
with COMMAND's code. Says which servers there were, with their versions, and which are missing.
"""

import argparse
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "e2e")]

from ports import free_ports  # noqa: E402

START_S_MAX = 60
STOP_S_MAX = 60
# What the tests log in as: an administrator, and a user as a service would be.
USERS = """
CREATE USER IF NOT EXISTS 'admin'@'localhost' IDENTIFIED BY 'admin-secret';
GRANT ALL ON *.* TO 'admin'@'localhost' WITH GRANT OPTION;
CREATE USER IF NOT EXISTS 'sagamesh'@'localhost' IDENTIFIED BY 'service-secret';
GRANT ALL ON `sagamesh%`.* TO 'sagamesh'@'localhost';
"""


class Server:
    """start() after initialize(); kill() is kill -9."""

    name = None

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        (self.port,) = free_ports(1)
        self.process = None

    @classmethod
    def installed(cls):
        raise NotImplementedError

    def initialize(self):
        raise NotImplementedError

    def command(self):
        raise NotImplementedError

    def start(self):
        (self.directory / "users.sql").write_text(USERS)
        with open(self.directory / "server.log", "ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log)
        deadline = time.monotonic() + START_S_MAX
        while not self._greets():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} does not start:\n{(self.directory / 'server.log').read_text()[-3000:]}")
            time.sleep(0.05)
        return self

    def _greets(self):
        """A server speaks first, with its version."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                greeting = connection.recv(200)
        except OSError:
            return False
        self.version = greeting[5:].split(b"\0")[0].decode(errors="replace")
        return len(greeting) > 5

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=STOP_S_MAX)
            except subprocess.TimeoutExpired:
                self.kill()


class MariaDb(Server):
    name = "mariadb"

    @classmethod
    def installed(cls):
        return shutil.which("mariadbd") is not None and shutil.which("mariadb-install-db") is not None

    def initialize(self):
        subprocess.run(["mariadb-install-db", "--no-defaults", f"--datadir={self.directory}/data", "--skip-test-db",
                        "--auth-root-authentication-method=normal", *self._user()],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        return self

    def command(self):
        return ["mariadbd", "--no-defaults", *self._user(), f"--datadir={self.directory}/data", f"--port={self.port}",
                "--bind-address=127.0.0.1", f"--socket={self.directory}/socket", f"--pid-file={self.directory}/pid",
                f"--init-file={self.directory}/users.sql", "--innodb-buffer-pool-size=128M"]

    @staticmethod
    def _user():
        return ["--user=root"] if os.geteuid() == 0 else []


class MySql(Server):
    """Of a Debian tree under .tools/mysql, run by chroot: it needs root."""

    name = "mysql"
    TREE = ROOT / ".tools" / "mysql"

    @classmethod
    def installed(cls):
        return os.geteuid() == 0 and (cls.TREE / "usr" / "sbin" / "mysqld").exists()

    def __init__(self, directory):
        super().__init__(tempfile.mkdtemp(prefix="mysql-", dir=self.TREE / "tmp"))
        self.inside = "/" + str(self.directory.relative_to(self.TREE))

    def initialize(self):
        subprocess.run([*self._mysqld(), "--initialize-insecure"], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.PIPE)
        return self

    def command(self):
        return [*self._mysqld(), f"--port={self.port}", "--bind-address=127.0.0.1", f"--socket={self.inside}/socket",
                f"--pid-file={self.inside}/pid", f"--init-file={self.inside}/users.sql", "--mysqlx=OFF",
                "--innodb-buffer-pool-size=128M"]

    def _mysqld(self):
        return ["chroot", str(self.TREE), "/usr/sbin/mysqld", "--no-defaults", "--user=root",
                f"--datadir={self.inside}/data"]

    def stop(self):
        super().stop()
        shutil.rmtree(self.directory, ignore_errors=True)


KINDS = (MariaDb, MySql)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=[kind.name for kind in KINDS])
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    servers, missing = [], []
    with tempfile.TemporaryDirectory(prefix="sagamesh-servers-") as directory:
        try:
            for kind in KINDS:
                if arguments.only not in (None, kind.name):
                    continue
                if not kind.installed():
                    missing.append(kind.name)
                    continue
                own = pathlib.Path(directory) / kind.name
                own.mkdir()
                server = kind(own)
                servers.append(server)
                server.initialize().start()
                print(f"{server.name} {server.version} on port {server.port}", flush=True)
            environment = {**os.environ, "SAGAMESH_TEST_SERVERS": " ".join(
                f"{server.name}=127.0.0.1:{server.port}" for server in servers)}
            code = subprocess.run(arguments.command, env=environment).returncode
        finally:
            for server in servers:
                server.stop()
    for name in missing:
        print(f"SKIPPED: {name} is not installed; nothing was tested on it")
    return code


if __name__ == "__main__":
    sys.exit(main())
