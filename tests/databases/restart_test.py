"""Logging in to a server that has just started: it knows no password's hash yet, so that MySQL's caching_sha2_password
wants a full authentication, and gives the key that the password is sent under."""

import itertools
import os
import pathlib
import subprocess
import sys
import tempfile

import grpc
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "e2e")]

import servers  # noqa: E402
from ports import free_ports  # noqa: E402
from stack import BIN, Server, eventually  # noqa: E402
from stubs import customers_grpc, customers_pb2  # noqa: E402

DATABASE = "sagamesh_restart"
_numbers = itertools.count()


class Customers:
    """The service alone."""

    def __init__(self, directory, server):
        (port,) = free_ports(1)
        self.address = f"127.0.0.1:{port}"
        self.log = directory / "customers.log"
        self.command = [BIN / "customers", f"--listen={self.address}",
                        f"--db=mysql://{Server.USER}@127.0.0.1:{server.port}/{DATABASE}"]

    def __enter__(self):
        environment = {**os.environ, "SAGAMESH_DB_PASSWORD": Server.PASSWORD}
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, env=environment)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=30)

    def write(self):
        """A write of its own, as soon as the service takes it."""
        sku = f"sku-{next(_numbers)}"
        product = customers_pb2.CreateProductRequest(sku=sku, name=sku, price_cents=1, available=1)

        def written():
            try:
                with grpc.insecure_channel(self.address) as channel:
                    return customers_grpc.StockServiceStub(channel).CreateProduct(
                        product, timeout=5, metadata=[("idempotency-key", sku)])
            except grpc.RpcError as error:
                assert error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED), error
                return None

        eventually(written)


@pytest.fixture(scope="module", params=servers.KINDS, ids=lambda kind: kind.name)
def server(request):
    if not request.param.installed():
        pytest.skip(f"{request.param.name} is not installed")
    with tempfile.TemporaryDirectory(prefix="sagamesh-restart-", dir=servers.roomy_memory()) as directory:
        server = request.param(directory).initialize()
        try:
            server.start().execute(f"CREATE DATABASE {DATABASE}")
            yield server
        finally:
            server.stop()


def test_a_service_logs_in_to_a_server_that_restarted(server, tmp_path):
    with Customers(tmp_path, server) as customers:
        customers.write()
        server.stop()
        server.start()
        customers.write()
    server.stop()
    server.start()
    with Customers(tmp_path, server) as customers:
        customers.write()


def test_a_service_logs_in_after_the_server_forgot_its_users(server, tmp_path):
    with Customers(tmp_path, server) as customers:
        customers.write()
    server.execute("FLUSH PRIVILEGES")
    with Customers(tmp_path, server) as customers:
        customers.write()
