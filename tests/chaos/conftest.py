import pathlib
import sys

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "conformance"), str(TESTS / "e2e"), str(TESTS / "chaos")]


def pytest_addoption(parser):
    parser.addoption("--rounds", type=int, default=20, help="kills that must count")
    parser.addoption("--seed", type=int, default=None, help="of the instants and the victims; printed")
