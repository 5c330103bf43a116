import itertools
import os

import pytest

from stack import Stack

_numbers = itertools.count()
NO_SERVER = 77  # the exit code that means "skipped" to ctest


def pytest_configure(config):
    config.addinivalue_line("markers", "files: speaks of the databases' files, not of a database server")
    engine = os.environ.get("SAGAMESH_TEST_ENGINE")
    if engine and f"{engine}=" not in os.environ.get("SAGAMESH_TEST_SERVERS", ""):
        pytest.exit(f"SKIPPED: there is no {engine}", returncode=NO_SERVER)


@pytest.fixture(scope="session")
def stack(tmp_path_factory):
    """One stack for all tests that leave it as they found it."""
    stack = Stack(tmp_path_factory.mktemp("stack")).start()
    yield stack
    stack.stop()


@pytest.fixture
def own_stack(tmp_path):
    """Makes stacks for tests that kill processes or need flags: own_stack(flags={...})."""
    stacks = []

    def make(**kwargs):
        directory = tmp_path / f"stack{len(stacks)}"
        directory.mkdir()
        stacks.append(Stack(directory, **kwargs).start())
        return stacks[-1]

    yield make
    for stack in stacks:
        stack.stop()


@pytest.fixture
def sku(stack):
    """A product of its own with 100 units at 2.50."""
    return stack.new_product(f"sku-{os.getpid()}-{next(_numbers)}")
