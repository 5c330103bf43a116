import pathlib
import sys
import tempfile

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / folder) for folder in ("conformance", "e2e", "databases", "chaos", "cluster")]

from cluster import Cluster  # noqa: E402
from rounds import Chaos, seeded  # noqa: E402
from servers import MariaDb, roomy_memory  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--seed", type=int, default=None, help="of the faults, the victims and the waits; printed")
    parser.addoption("--faults", type=int, default=5, help="how many of the twenty, at least")
    parser.addoption("--minutes", type=float, default=0, help="of faults, at least")


@pytest.fixture(scope="session")
def database():
    """A MariaDB that may be killed."""
    assert MariaDb.installed(), "scripts/install brings MariaDB"
    with tempfile.TemporaryDirectory(prefix="sagamesh-cluster-", dir=roomy_memory()) as directory:
        server = MariaDb(directory)
        try:
            yield server.initialize().start()
        finally:
            server.stop()


@pytest.fixture(scope="session")
def chaos(database, tmp_path_factory, request):
    """One cluster for all tests: each leaves no saga under way."""
    chaos = Chaos(tmp_path_factory.mktemp("cluster"), seeded(request), database, kind=Cluster)
    yield chaos
    chaos.stack.stop()


@pytest.fixture
def cluster(chaos):
    yield chaos.stack
    chaos.stack.complete()
