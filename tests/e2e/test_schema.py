"""A database that a newer program has been at."""

import sqlite3

import pytest

from stack import DATABASES, Stack

STATEMENTS = ("CREATE TABLE {}schema_version (version INTEGER NOT NULL PRIMARY KEY, name VARCHAR(255) NOT NULL)",
              "INSERT INTO {}schema_version VALUES (99, 'later')")


def make_newer_schema(stack, name):
    for statement in STATEMENTS:
        if stack.server is not None:
            stack.server.execute(statement.format(f"{stack.server.prefix}_{name}."))
        else:
            with sqlite3.connect(stack.directory / f"{name}.db") as connection:
                connection.execute(statement.format(""))


@pytest.mark.parametrize("name", DATABASES)
def test_a_service_refuses_a_schema_that_is_newer_than_itself_and_says_so(tmp_path, name):
    stack = Stack(tmp_path)
    try:
        make_newer_schema(stack, name)
        stack.launch(name)
        assert stack.processes.pop(name).wait(timeout=30) == 1
        log = (tmp_path / f"{name}.log").read_text()
        assert "the database's schema has version 99, newer than this program's" in log, log
    finally:
        stack.stop()
