"""What clients were told: one Answer a call, kept as JSON lines.

A line is an object with `method`, `path`, `key` (the Idempotency-Key, or null), `request` (the JSON that was sent, or
null), `status` (0: no answer came), `body` (text), and `started` and `ended`, times of one clock in seconds. If one
restock of a product is there, all of them must be.
"""

import json
from typing import NamedTuple

from google.protobuf import json_format

from stubs import coordinator_pb2, error_details_pb2, status_pb2

PROCESS = "/dev/orders/process"


class Answer(NamedTuple):
    method: str
    path: str
    key: str | None
    request: dict | None
    status: int
    body: str
    started: float = 0.0
    ended: float = 0.0

    @property
    def is_process(self):
        return self.method == "POST" and self.path == PROCESS

    def error(self):
        """The google.rpc.Status of an answer that is no 200; None if the body is none."""
        try:
            return json_format.Parse(self.body, status_pb2.Status())
        except json_format.ParseError:
            return None

    def result(self):
        """The ProcessOrderResponse of a 200."""
        return json_format.Parse(self.body, coordinator_pb2.ProcessOrderResponse())


def error_info(status):
    """The first ErrorInfo in a google.rpc.Status; an empty one if there is none."""
    info = error_details_pb2.ErrorInfo()
    for detail in status.details:
        if detail.Unpack(info):
            break
    return info


def read(path):
    with open(path, encoding="utf-8") as lines:
        return [Answer(**json.loads(line)) for line in lines if line.strip()]


def write(path, answers):
    with open(path, "w", encoding="utf-8") as out:
        for answer in answers:
            out.write(json.dumps(answer._asdict()) + "\n")
