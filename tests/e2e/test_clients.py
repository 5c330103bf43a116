"""What people use: grpcurl and the Python example."""

import json
import os
import subprocess
import sys

from stubs import ROOT

GRPCURL = os.environ.get("SAGAMESH_GRPCURL", str(ROOT / ".tools" / "bin" / "grpcurl"))


def grpcurl(stack, service, *args, headers=(), data=None):
    command = [GRPCURL, "-plaintext"]
    for header in headers:
        command += ["-H", header]
    if data is not None:
        command += ["-d", json.dumps(data)]
    return subprocess.run([*command, stack.address(service), *args], capture_output=True, text=True, timeout=60)


def test_grpcurl_lists_the_services_by_reflection(stack):
    for service, name in (("coordinator", "coordinator.v1.CoordinatorService"), ("orders", "orders.v1.OrdersService"),
                          ("customers", "customers.v1.StockService")):
        listed = grpcurl(stack, service, "list").stdout.split()
        assert name in listed and "grpc.health.v1.Health" in listed
    assert "saga.v1.SagaService" in grpcurl(stack, "coordinator", "list").stdout


def test_grpcurl_checks_health(stack):
    for service in ("coordinator", "orders", "customers"):
        assert '"SERVING"' in grpcurl(stack, service, "grpc.health.v1.Health/Check").stdout


def test_the_documented_cases_by_grpcurl(stack, sku):
    method = "coordinator.v1.CoordinatorService/ProcessOrder"
    order = {"customer_id": 1, "items": [{"sku": sku, "quantity": 1}]}
    first = grpcurl(stack, "coordinator", method, data=order)
    assert json.loads(first.stdout)["status"] == "CONFIRMED"
    again = grpcurl(stack, "coordinator", method, data=order)
    assert again.stdout == first.stdout
    assert stack.counts(sku) == (99, 0, 1)
    failed = grpcurl(stack, "coordinator", method, data=order,
                     headers=["x-envoy-fault-abort-grpc-request: 13",
                              "x-sagamesh-fault-method: orders.v1.OrdersService/ConfirmOrder"])
    assert "Code: Internal" in failed.stderr
    assert stack.counts(sku) == (99, 0, 1)
    order["items"][0]["quantity"] = 1000
    short = grpcurl(stack, "coordinator", method, data=order)
    assert "Code: FailedPrecondition" in short.stderr
    assert f"Stock insuficiente para {sku}: solicitado 1000, disponible 99" in short.stderr
    assert '"reason": "INSUFFICIENT_STOCK"' in short.stderr  # the ErrorInfo, decoded


def test_the_python_example_runs(stack, sku):
    example = ROOT / "examples" / "python" / "client.py"
    result = subprocess.run([sys.executable, str(example), "--target", stack.address("coordinator"), "--sku", sku],
                            capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert "CONFIRMED" in result.stdout
    failed = subprocess.run([sys.executable, str(example), "--target", stack.address("coordinator"), "--sku", sku,
                             "--quantity", "1000"], capture_output=True, text=True, timeout=120)
    assert failed.returncode != 0
    assert "INSUFFICIENT_STOCK" in failed.stdout + failed.stderr
