#!/usr/bin/env python3
"""Buys something from Sagamesh by gRPC, with stubs generated from the contracts.

    .tools/venv/bin/python examples/python/client.py --sku prod-123 --quantity 1

Prints the order. On an error prints its code, message and ErrorInfo, and exits 1. Needs grpcio-tools and
googleapis-common-protos (scripts/requirements.txt).
"""

import argparse
import importlib
import pathlib
import sys
import tempfile

import google.rpc
import grpc
from google.protobuf import json_format
from google.rpc import error_details_pb2, status_pb2
from grpc_tools import protoc

PROTO = pathlib.Path(__file__).resolve().parents[2] / "proto"


def generate_stubs(*protos):
    """Generates the stubs into a directory of their own and makes them importable. A project would do so once, when it
    is built: python -m grpc_tools.protoc -I proto --python_out=. --grpc_python_out=. coordinator/v1/coordinator.proto
    """
    directory = tempfile.TemporaryDirectory(prefix="sagamesh-stubs-")
    googleapis = pathlib.Path(list(google.rpc.__path__)[0]).parents[1]
    code = protoc.main(["protoc", f"-I{PROTO}", f"-I{googleapis}", f"--python_out={directory.name}",
                        f"--grpc_python_out={directory.name}", *protos])
    if code != 0:
        sys.exit("the stubs could not be generated")
    sys.path.insert(0, directory.name)
    return directory


def details_of(error):
    """The messages in an error's google.rpc.Status, decoded: ErrorInfo, BadRequest, RetryInfo."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for packed in status_pb2.Status.FromString(value).details:
                name = packed.TypeName().rpartition(".")[2]
                message = getattr(error_details_pb2, name)()
                packed.Unpack(message)
                yield name, message


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", default="localhost:50051", help="of the coordinator")
    parser.add_argument("--customer", type=int, default=1)
    parser.add_argument("--sku", default="prod-123")
    parser.add_argument("--quantity", type=int, default=1)
    parser.add_argument("--key", help="an idempotency key: the same key buys once, another key buys again")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    with generate_stubs("coordinator/v1/coordinator.proto"):
        messages = importlib.import_module("coordinator.v1.coordinator_pb2")
        stubs = importlib.import_module("coordinator.v1.coordinator_pb2_grpc")

    request = messages.ProcessOrderRequest(
        customer_id=arguments.customer,
        items=[messages.ProcessOrderRequest.Item(sku=arguments.sku, quantity=arguments.quantity)])
    metadata = [("idempotency-key", arguments.key)] if arguments.key else []
    with grpc.insecure_channel(arguments.target) as channel:
        stub = stubs.CoordinatorServiceStub(channel)
        try:
            response, call = stub.ProcessOrder.with_call(request, timeout=30, metadata=metadata)
        except grpc.RpcError as error:
            print(f"{error.code().name}: {error.details()}", file=sys.stderr)
            for name, message in details_of(error):
                print(f"{name}: {json_format.MessageToJson(message, indent=None)}", file=sys.stderr)
            sys.exit(1)

    replayed = ("idempotent-replayed", "true") in [tuple(entry) for entry in call.initial_metadata()]
    print(f"order {response.order_id} is {messages.ProcessOrderResponse.Status.Name(response.status)}"
          + (" (replayed)" if replayed else ""))
    for item in response.items:
        print(f"  {item.quantity} x {item.sku} at {item.unit_price_cents / 100:.2f}")
    print(f"  total {response.total_cents / 100:.2f}, saga {response.saga_id}")


if __name__ == "__main__":
    main()
