"""Python stubs of the contracts and of the stored records, generated when the tests start."""

import importlib
import pathlib
import sys
import tempfile

from grpc_tools import protoc

ROOT = pathlib.Path(__file__).resolve().parents[2]
_PROTOS = [
    "google/rpc/code.proto",
    "google/rpc/status.proto",
    "google/rpc/error_details.proto",
    "saga/v1/batch.proto",
    "saga/v1/options.proto",
    "saga/v1/saga.proto",
    "customers/v1/customers.proto",
    "orders/v1/orders.proto",
    "coordinator/v1/coordinator.proto",
]
_RECORDS = ["coordinator/journal/record.proto", "common/barrier/barrier_row.proto"]


def _generate():
    out = tempfile.mkdtemp(prefix="sagamesh-stubs-")
    own = [p for p in _PROTOS if not p.startswith("google/")]
    include = [f"-I{ROOT / 'proto'}", f"-I{ROOT / '.tools' / 'googleapis'}"]
    if protoc.main(["protoc", *include, f"--python_out={out}", f"--grpc_python_out={out}", *own]) != 0:
        raise RuntimeError("protoc failed")
    # Absolute paths: a relative one that exists below the working directory would not be looked up in ROOT.
    records = [str(ROOT / p) for p in _RECORDS]
    if protoc.main(["protoc", f"-I{ROOT}", f"--python_out={out}", *records]) != 0:
        raise RuntimeError("protoc failed")
    sys.path.insert(0, out)


_generate()

status_pb2 = importlib.import_module("google.rpc.status_pb2")
error_details_pb2 = importlib.import_module("google.rpc.error_details_pb2")
saga_pb2 = importlib.import_module("saga.v1.saga_pb2")
saga_grpc = importlib.import_module("saga.v1.saga_pb2_grpc")
customers_pb2 = importlib.import_module("customers.v1.customers_pb2")
customers_grpc = importlib.import_module("customers.v1.customers_pb2_grpc")
orders_pb2 = importlib.import_module("orders.v1.orders_pb2")
orders_grpc = importlib.import_module("orders.v1.orders_pb2_grpc")
coordinator_pb2 = importlib.import_module("coordinator.v1.coordinator_pb2")
coordinator_grpc = importlib.import_module("coordinator.v1.coordinator_pb2_grpc")
record_pb2 = importlib.import_module("coordinator.journal.record_pb2")
barrier_row_pb2 = importlib.import_module("common.barrier.barrier_row_pb2")


def reason(rpc_error):
    """The ErrorInfo's reason of a grpc.RpcError, or ''."""
    info = error_info(rpc_error)
    return info.reason if info else ""


def status_of(rpc_error):
    """The google.rpc.Status of a grpc.RpcError; empty if it carries none."""
    for key, value in rpc_error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            return status_pb2.Status.FromString(value)
    return status_pb2.Status()


def error_info(rpc_error):
    for detail in status_of(rpc_error).details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return info
    return None
