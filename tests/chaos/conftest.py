import os
import pathlib
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "conformance"), str(TESTS / "e2e"), str(TESTS / "databases"), str(TESTS / "chaos")]

from servers import KINDS  # noqa: E402

NO_SERVER = 77  # the exit code that means "skipped" to ctest


def pytest_configure(config):
    engine = os.environ.get("SAGAMESH_TEST_ENGINE")
    if engine and not any(kind.name == engine and kind.installed() for kind in KINDS):
        pytest.exit(f"SKIPPED: there is no {engine}", returncode=NO_SERVER)


def pytest_addoption(parser):
    parser.addoption("--rounds", type=int, default=None, help="rounds that must count; each test has its own default")
    parser.addoption("--minutes", type=float, default=0.6, help="of load whose traces are compared")
    parser.addoption("--seed", type=int, default=None, help="of the instants and the victims; printed")
