"""Private database servers: each with a data directory of its own, on a free port of loopback, stopped by its pid.

usage: servers.py [--only=NAME] COMMAND...

Starts each server that is installed, runs COMMAND with SAGAMESH_TEST_SERVERS="NAME=HOST:PORT ..." and the directory
SAGAMESH_TEST_CERTIFICATES (certificates.py), stops them, and exits with COMMAND's code. Says which servers there were,
with their versions, and which are missing; why, if SAGAMESH_NO_NAME tells it.
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

import pymysql

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "e2e")]

from certificates import make_certificates, server_flags  # noqa: E402
from ports import free_ports  # noqa: E402

START_S_MAX = 60
STOP_S_MAX = 60
MEMORY = pathlib.Path("/dev/shm")
MEMORY_BYTES_MIN = 4 << 30
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
    flags = ()  # more of them

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
            self.process = subprocess.Popen([*self.command(), *self.flags], stdout=log, stderr=log)
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

    def administrator(self):
        """A connection of the server's own administrator."""
        return pymysql.connect(unix_socket=str(self.directory / "socket"), user="root", autocommit=True)

    def execute(self, statement):
        """As the administrator."""
        self.query(statement)

    def query(self, statement):
        with self.administrator() as connection:
            cursor = connection.cursor()
            cursor.execute(statement)
            return cursor.fetchall()

    @staticmethod
    def _user():
        """Root's own server must be told that it is meant."""
        return ["--user=root"] if os.geteuid() == 0 else []

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
        subprocess.run(["mariadb-install-db", "--no-defaults", f"--datadir={self.directory}/data", *self._tmpdir(),
                        "--skip-test-db", "--auth-root-authentication-method=normal", *self._user()],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        return self

    def command(self):
        return ["mariadbd", "--no-defaults", *self._user(), f"--datadir={self.directory}/data", *self._tmpdir(),
                f"--port={self.port}", "--bind-address=127.0.0.1", f"--socket={self.directory}/socket",
                f"--pid-file={self.directory}/pid", f"--init-file={self.directory}/users.sql",
                "--innodb-buffer-pool-size=128M"]

    def _tmpdir(self):
        """A server that starts removes every temporary table that it finds there."""
        return [f"--tmpdir={self.directory}"]

class MySql(Server):
    """Of a Debian tree under .tools/mysql (scripts/lib/mysql.sh), run with that tree's loader and libraries."""

    name = "mysql"
    TREE = ROOT / ".tools" / "mysql"

    @classmethod
    def installed(cls):
        return (cls.TREE / "usr" / "sbin" / "mysqld").exists()

    def initialize(self):
        subprocess.run([*self._mysqld(), "--initialize-insecure"], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.PIPE)
        return self

    def command(self):
        return [*self._mysqld(), f"--port={self.port}", "--bind-address=127.0.0.1", f"--socket={self.directory}/socket",
                f"--pid-file={self.directory}/pid", f"--init-file={self.directory}/users.sql", "--mysqlx=OFF",
                "--innodb-buffer-pool-size=128M"]

    def _mysqld(self):
        (loader,) = (self.TREE / "usr" / "lib").glob("*/ld-linux*.so.*")
        return [str(loader), "--library-path", str(loader.parent), str(self.TREE / "usr" / "sbin" / "mysqld"),
                "--no-defaults", *self._user(), f"--basedir={self.TREE}/usr", f"--datadir={self.directory}/data",
                "--secure-file-priv=NULL"]


KINDS = (MariaDb, MySql)


def roomy_memory():
    """Where files are in memory, if there is room for two servers; they then answer several times faster."""
    return MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= MEMORY_BYTES_MIN else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=[kind.name for kind in KINDS])
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    servers, missing = [], []
    with tempfile.TemporaryDirectory(prefix="sagamesh-servers-", dir=roomy_memory()) as directory:
        certificates = pathlib.Path(directory) / "certificates"
        certificates.mkdir()
        make_certificates(certificates)
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
                server.flags = server_flags(certificates)
                servers.append(server)
                server.initialize().start()
                print(f"{server.name} {server.version} on port {server.port}", flush=True)
            environment = {**os.environ, "SAGAMESH_TEST_SERVERS": " ".join(
                f"{server.name}=127.0.0.1:{server.port}" for server in servers),
                "SAGAMESH_TEST_CERTIFICATES": str(certificates)}
            code = subprocess.run(arguments.command, env=environment).returncode
        finally:
            for server in servers:
                server.stop()
    for name in missing:
        why = os.environ.get(f"SAGAMESH_NO_{name.upper()}") or "it is not installed"
        print(f"SKIPPED: {name}: nothing was tested on it: {why}")
    return code


if __name__ == "__main__":
    sys.exit(main())
