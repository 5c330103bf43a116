import pathlib
import sys

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "conformance"), str(TESTS / "e2e"), str(TESTS / "chaos")]


def pytest_addoption(parser):
    parser.addoption("--rounds", type=int, default=None, help="kills that must count; each test has its own default")
    parser.addoption("--minutes", type=float, default=0.6, help="of load whose traces are compared")
    parser.addoption("--seed", type=int, default=None, help="of the instants and the victims; printed")
