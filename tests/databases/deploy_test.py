"""deploy/mysql/databases.sh on a MySQL that runs as deploy/compose.yml starts it: as the entrypoint of its image calls
the script, and as a person does after a password has changed."""

import os
import pathlib
import re
import subprocess
import tempfile

import pymysql
import pytest

import servers

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROOT_PASSWORD = "secret of 'root' # and=more"
SERVICES = ("customers", "orders", "coordinator")


def flags_of_compose():
    compose = (ROOT / "deploy" / "compose.yml").read_text()
    (mysql,) = re.findall(r"^  mysql:\n(.*?)^  \w+:\n", compose, re.DOTALL | re.MULTILINE)
    flags = re.findall(r"^ +- (--\S+)$", mysql, re.MULTILINE)
    assert "--sync-binlog=1" in flags
    return flags


class Deployment:
    """The server and the files of its secrets."""

    def __init__(self, server, directory):
        self.socket = str(server.directory / "socket")
        self.secrets = directory / "secrets"
        self.programs = directory / "programs"
        for folder in (self.secrets, self.programs):
            folder.mkdir()
        # The client of the server's own tree, run as its server is.
        loader, option, libraries, _ = server.command()[:4]
        client = self.programs / "mysql"
        client.write_text(f'#!/bin/sh\nexec {loader} {option} {libraries} {server.TREE}/usr/bin/mysql "$@"\n')
        client.chmod(0o755)

    def make_databases(self, **passwords):
        for name, password in passwords.items():
            (self.secrets / name).write_text(password)
        return subprocess.run(
            [ROOT / "deploy" / "mysql" / "databases.sh"], capture_output=True, text=True,
            env={"PATH": f"{self.programs}:{os.environ['PATH']}", "MYSQL_UNIX_PORT": self.socket,
                 "SAGAMESH_SECRETS": str(self.secrets)})

    def execute(self, user, password, statement):
        with pymysql.connect(unix_socket=self.socket, user=user, password=password, autocommit=True) as connection:
            cursor = connection.cursor()
            cursor.execute(statement)
            return cursor.fetchall()


@pytest.fixture(scope="module")
def mysql():
    if not servers.MySql.installed():
        pytest.skip("MySQL is not installed")
    with tempfile.TemporaryDirectory(prefix="sagamesh-deploy-", dir=servers.roomy_memory()) as directory:
        server = servers.MySql(directory).initialize()
        server.flags = flags_of_compose()
        try:
            server.start().execute(f'ALTER USER root@localhost IDENTIFIED BY "{ROOT_PASSWORD}"')
            yield server
        finally:
            server.stop()


@pytest.fixture
def deployment(mysql, tmp_path):
    deployment = Deployment(mysql, tmp_path)
    made = deployment.make_databases(mysql_root=ROOT_PASSWORD, **{name: f"secret of {name}\n" for name in SERVICES})
    assert made.returncode == 0, made.stderr
    return deployment


def test_each_service_has_all_rights_on_its_own_database_and_none_on_others(deployment):
    for name in SERVICES:
        deployment.execute(name, f"secret of {name}", f"CREATE OR REPLACE VIEW {name}.own AS SELECT 1")
        assert {row[0] for row in deployment.execute(name, f"secret of {name}", "SHOW DATABASES")} == {
            name, "information_schema", "performance_schema"}
        for other in (*set(SERVICES) - {name}, "mysql"):
            with pytest.raises(pymysql.MySQLError, match="denied"):
                deployment.execute(name, f"secret of {name}", f"CREATE TABLE {other}.strange (id INT)")


def test_a_new_password_takes_the_place_of_the_old_one_and_the_data_stay(deployment):
    deployment.execute("orders", "secret of orders", "CREATE TABLE IF NOT EXISTS orders.kept (id INT)")
    new = """it's "new" \\ and $odd`"""
    made = deployment.make_databases(orders=new)
    assert made.returncode == 0, made.stderr
    assert ("kept",) in deployment.execute("orders", new, "SHOW TABLES FROM orders")
    with pytest.raises(pymysql.MySQLError, match="denied"):
        deployment.execute("orders", "secret of orders", "SELECT 1")


@pytest.mark.parametrize("broken", ["missing", "empty"])
def test_without_a_password_nothing_is_made_and_the_file_is_named(deployment, broken):
    secret = deployment.secrets / "coordinator"
    secret.unlink() if broken == "missing" else secret.write_text("")
    made = deployment.make_databases(orders="another")
    assert made.returncode != 0 and str(secret) in made.stderr
    deployment.execute("orders", "secret of orders", "SELECT 1")


def test_no_password_is_in_what_it_prints(deployment):
    made = deployment.make_databases()
    assert "secret of" not in made.stdout + made.stderr and made.stderr == ""
