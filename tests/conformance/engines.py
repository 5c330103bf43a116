"""A service's database by the name that its --db gives it: sqlite:PATH (or PATH alone), or
mysql://USER@HOST[:PORT]/DATABASE with the password in SAGAMESH_DB_PASSWORD.

Both kinds take the same statements, with `?` for each parameter, and give text as str and blobs as bytes.
"""

import contextlib
import os
import pathlib
import sqlite3
import urllib.parse

import pymysql
from pymysql.constants import FIELD_TYPE


def database(name):
    """What `name` names, or is; nothing is opened yet."""
    if isinstance(name, (File, Schema, SchemaDraft)):
        return name
    return Schema(name) if str(name).startswith("mysql:") else File(name)


class File:
    def __init__(self, name):
        self.path = pathlib.Path(str(name).removeprefix("sqlite:")).resolve()

    @contextlib.contextmanager
    def reading(self):
        """A function that runs a query and returns its rows."""
        with contextlib.closing(sqlite3.connect(f"{self.path.as_uri()}?mode=ro", uri=True)) as db:
            yield lambda statement, *parameters: db.execute(statement, parameters).fetchall()

    @contextlib.contextmanager
    def draft(self, directory):
        """A copy of it in `directory`, to be tampered with."""
        copy = FileDraft(pathlib.Path(directory) / self.path.name)
        # Not the file alone: what was not yet checkpointed is in another one beside it.
        with contextlib.closing(sqlite3.connect(self.path)) as source, \
                contextlib.closing(sqlite3.connect(copy.path)) as target:
            source.backup(target)
        yield copy

    def __str__(self):
        return f"sqlite:{self.path}"


class FileDraft(File):
    def tamper(self, statement, *parameters):
        """Runs what no service would, and returns (its rows, how many it changed)."""
        with contextlib.closing(sqlite3.connect(self.path)) as db, db:
            db.execute("PRAGMA ignore_check_constraints=ON")
            cursor = db.execute(statement, parameters)
            return cursor.fetchall(), cursor.rowcount


class Schema:
    """On a server; MySQL's name for one database of several."""

    def __init__(self, name):
        self._name = str(name)

    @contextlib.contextmanager
    def reading(self):
        with self._session() as run:
            yield lambda statement, *parameters: run(statement, parameters)[0]

    @contextlib.contextmanager
    def draft(self, directory):
        """A transaction that is not committed: nobody else sees what it tampers with. `directory` is for files."""
        with self._session() as run:
            yield SchemaDraft(run)

    @contextlib.contextmanager
    def _session(self):
        url = urllib.parse.urlsplit(self._name)
        with contextlib.closing(pymysql.connect(
                host=url.hostname, port=url.port or 3306, user=url.username, database=url.path.removeprefix("/"),
                password=os.environ.get("SAGAMESH_DB_PASSWORD", ""))) as connection:
            yield lambda statement, parameters=(): _run(connection, statement, parameters)

    def __str__(self):
        return self._name


class SchemaDraft:
    # A session that takes statements as SQLite does, and rows that no service may write. MariaDB's.
    _SESSION = "SET sql_mode='PIPES_AS_CONCAT,SIMULTANEOUS_ASSIGNMENT', check_constraint_checks=0"

    def __init__(self, run):
        self._run = run
        run(self._SESSION)

    @contextlib.contextmanager
    def reading(self):
        yield lambda statement, *parameters: self._run(statement, parameters)[0]

    def tamper(self, statement, *parameters):
        return self._run(statement, parameters)


def _run(connection, statement, parameters):
    """(rows, how many it changed or found)"""
    cursor = connection.cursor()
    cursor.execute(statement.replace("?", "%s"), parameters)
    # Keys are VARBINARY there, so that they are compared byte by byte; they are text all the same.
    texts = {i for i, column in enumerate(cursor.description or ()) if column[1] == FIELD_TYPE.VAR_STRING}
    rows = [tuple(value.decode() if i in texts and isinstance(value, bytes) else value for i, value in enumerate(row))
            for row in cursor.fetchall()]
    return rows, cursor.rowcount
