"""The rules of this tree that a compiler does not know. `python3 rules.py` checks the tree and prints each violation.

A rule is a function of a Tree that yields Violations; RULES lists them all. rules_test.py plants a violation of each.
"""

import os
import pathlib
import re
import subprocess
import sys
from typing import Callable, Iterator, NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Violation(NamedTuple):
    path: str
    line: int
    what: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.what}"


class Tree:
    """The text files of the project, by path from the root."""

    def __init__(self, files: dict[str, str]):
        self.files = files

    def cpp(self) -> Iterator[tuple[str, str]]:
        return ((path, text) for path, text in sorted(self.files.items()) if path.endswith((".h", ".cc")))

    def production(self) -> Iterator[tuple[str, str]]:
        """C++ that runs in a service, or may."""
        return ((path, text) for path, text in self.cpp() if not is_test(path))


def is_test(path: str) -> bool:
    return path.startswith(("tests/", "common/testing/")) or path.endswith(("_test.cc", "_test.h", "_test.go"))


def under(path: str, *folders: str) -> bool:
    return path.startswith(tuple(folder + "/" for folder in folders))


def read_tree(root: pathlib.Path = ROOT) -> Tree:
    """What git knows or would add: no build output, no tools, no data."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "-co", "--exclude-standard"],
        cwd=root, capture_output=True, check=True).stdout
    files = {}
    for name in sorted(set(os.fsdecode(listed).split("\0")) - {""}):
        path = root / name
        if path.is_file() and not path.is_symlink():
            try:
                files[name] = path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue  # binary
    return Tree(files)


# C++ as three layers of equal shape, so that a position means the same in each.

_TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)"""
    r"""|(?P<raw>R"(?P<delimiter>[^()\s\\]*)\(.*?\)(?P=delimiter)")"""
    r"""|(?P<string>"(?:[^"\\\n]|\\.)*")"""
    # A digit before the quote makes it a separator: 10'000.
    r"""|(?P<char>(?<![0-9a-fA-F])'(?:[^'\\\n]|\\.)+')""",
    re.DOTALL | re.VERBOSE)


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def code_of(text: str) -> str:
    """The text without comments and literals."""
    return _TOKEN.sub(lambda match: _blank(match.group()), text)


def strings_of(text: str) -> str:
    """Only the string literals of the text."""
    out, end = [], 0
    for match in _TOKEN.finditer(text):
        out.append(_blank(text[end:match.start()]))
        is_string = match.lastgroup in ("raw", "delimiter", "string") and not match.group().startswith(("/", "'"))
        out.append(match.group() if is_string else _blank(match.group()))
        end = match.end()
    out.append(_blank(text[end:]))
    return "".join(out)


def find(pattern: re.Pattern, text: str) -> Iterator[tuple[int, str]]:
    for match in pattern.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match.group().strip()


# Rules.

_CONNECTOR_CALL = re.compile(r"(?:->|\.)\s*(?:commit|rollback|setAutoCommit)\s*\(")


def no_transaction_calls_of_the_connector(tree: Tree) -> Iterator[Violation]:
    """MySQL Connector/C++ 1.1 discards the server's error in these; the statements COMMIT and ROLLBACK do not."""
    for path, text in tree.cpp():
        for line, found in find(_CONNECTOR_CALL, code_of(text)):
            yield Violation(path, line, f"{found}...) discards the server's error: execute the statement instead")


_TIME_AND_CHANCE = re.compile(
    r"\bnow\s*\(\s*\)|\babsl::Now\s*\(|\bGetCurrentTimeNanos\b|\bclock_gettime\b|\bgettimeofday\b|\bstd::time\s*\("
    r"|\bsleep_(?:for|until)\b|\babsl::SleepFor\b|\bu?sleep\s*\(|\bnanosleep\b|\brandom_device\b|\bs?rand\s*\("
    r"|\babsl::(?:Insecure)?BitGen\b|\bmt19937")
_THREADS = re.compile(r"\bstd::(?:jthread|thread|async|future|promise|condition_variable\w*|this_thread)\b|\babsl::CondVar\b")


def time_chance_and_threads_come_through_the_seams(tree: Tree) -> Iterator[Violation]:
    """Clock, Random and Executor: the simulation puts its own in their place. gRPC's edge has threads of its own."""
    for path, text in tree.production():
        if under(path, "common/clock", "common/random", "common/exec", "common/rpc"):
            continue
        code = code_of(text)
        for line, found in find(_TIME_AND_CHANCE, code):
            yield Violation(path, line, f"{found}: time and chance come through Clock and Random")
        for line, found in find(_THREADS, code):
            yield Violation(path, line, f"{found}: threads and waiting come through common/exec")


_SQL = re.compile(
    # SELECT 1 asks whether the database is there, and belongs to no store.
    r"\b(?:SELECT\s+(?!1\")[\w*(]|INSERT\s+(?:OR\s+\w+\s+|IGNORE\s+)?INTO\b|UPDATE\s+\w+\s+SET\b|DELETE\s+FROM\b"
    r"|(?:CREATE|ALTER|DROP)\s+(?:UNIQUE\s+)?(?:TABLE|INDEX)\b|PRAGMA\s+\w|BEGIN\s+IMMEDIATE\b)")


def sql_stays_in_stores(tree: Tree) -> Iterator[Violation]:
    for path, text in tree.production():
        if under(path, "common/sql", "common/barrier", "coordinator/journal") or "/store/" in path:
            continue
        for line, found in find(_SQL, strings_of(text)):
            yield Violation(path, line, f"SQL ({found}) outside a store")


_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+(?:"([^"\n]+)"|<([^>\n]+)>)', re.MULTILINE)


def includes_of(text: str) -> Iterator[tuple[int, str]]:
    for match in _INCLUDE.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match.group(1) or match.group(2)


# Where a folder's files may include from, besides their own folder, generated contracts and libraries. The deepest
# folder that is named here counts; a folder that is not named is a defect of this table.
_LAYERS: dict[str, tuple[str, ...]] = {
    "common": (),
    "customers": ("common",),
    "customers/domain": ("common",),
    "customers/store": ("common", "customers/domain"),
    "customers/service": ("common", "customers/domain", "customers/store"),
    "orders": ("common",),
    "orders/domain": ("common",),
    "orders/store": ("common", "orders/domain"),
    "orders/service": ("common", "orders/domain", "orders/store"),
    "coordinator": ("common",),
    "coordinator/engine": ("common",),
    "coordinator/definitions": ("common", "coordinator/engine"),
    "coordinator/journal": ("common", "coordinator/engine"),
    "coordinator/runtime": ("common", "coordinator/engine", "coordinator/journal"),
    "coordinator/service": ("common", "coordinator/engine", "coordinator/definitions", "coordinator/journal",
                            "coordinator/runtime"),
}
# main.cc and environment.h wire everything of their service together.
_WIRING = ("customers", "orders", "coordinator")
_GENERATED = re.compile(r"\.pb\.h$")


def _layer_of(path: str) -> str:
    return max((layer for layer in _LAYERS if under(path, layer)), key=len, default="")


def dependencies_point_one_way(tree: Tree) -> Iterator[Violation]:
    for path, text in tree.cpp():
        layer = _layer_of(path)
        if not layer or layer == "common" and is_test(path):
            continue
        if layer in _WIRING and "/" not in path[len(layer) + 1:]:
            allowed = ("common", layer)
        else:
            allowed = (layer, *_LAYERS[layer])
        for line, included in includes_of(text):
            if _GENERATED.search(included) or not under(included, *_LAYERS):
                continue
            if not under(included, *allowed):
                yield Violation(path, line, f"{layer} may not include {included}: only of {', '.join(allowed)}")


_PURE = ("coordinator/engine", "orders/domain", "customers/domain")
_IMPURE = {
    "gRPC": re.compile(r"^(?:grpc|grpcpp|grpc\+\+)/|\.grpc\.pb\.h$"),
    "SQL": re.compile(r"^common/sql/|^sqlite3\.h$|^(?:mysql|cppconn)"),
    "flags": re.compile(r"^absl/flags/|^common/flags/"),
    "a clock": re.compile(r"^common/clock/|^absl/time/clock\.h$|^chrono$|^ctime$"),
    "threads": re.compile(r"^common/exec/|^thread$|^mutex$|^future$|^condition_variable$"),
    "randomness": re.compile(r"^common/random/|^random$"),
}


def engine_and_domain_are_pure(tree: Tree) -> Iterator[Violation]:
    """Also by way of the headers of ours that they include."""
    for path, text in tree.production():
        if not under(path, *_PURE):
            continue
        for line, included in includes_of(text):
            for chain in _chains(tree, (included,), set()):
                for name, pattern in _IMPURE.items():
                    if pattern.search(chain[-1]):
                        yield Violation(path, line, f"{name} in pure code: {' -> '.join(chain)}")


def _chains(tree: Tree, chain: tuple[str, ...], seen: set[str]) -> Iterator[tuple[str, ...]]:
    if chain[-1] in seen:
        return
    seen.add(chain[-1])
    yield chain
    for _, included in includes_of(tree.files.get(chain[-1], "")):
        yield from _chains(tree, (*chain, included), seen)


# Put together here, so that this file does not violate its own rule.
_ABSOLUTE = re.compile(r"(?<![\w.}/])/(?:" + "|".join(("wo" + "rk", "t" + "mp", "ho" + "me", "ro" + "ot")) + r")(?=/|\b)")


def no_path_of_one_machine(tree: Tree) -> Iterator[Violation]:
    """In compose.yml they are paths in a container."""
    for path, text in sorted(tree.files.items()):
        if path == "deploy/compose.yml":
            continue
        for line, found in find(_ABSOLUTE, text):
            yield Violation(path, line, f"{found}: a path of one machine")


_REASON = re.compile(r'"[A-Z]+(?:_[A-Z]+)+(?=[":])')  # that of a parked saga goes on after a colon
_CONNECTOR = "common/sql/mysql_connection.cc"  # whose options look like reasons


def reasons_are_documented(tree: Tree) -> Iterator[Violation]:
    """Of errors, of parked sagas, of health: a word that callers see is explained in a proto or in docs/."""
    documented = {word for path, text in tree.files.items() if under(path, "docs", "proto")
                  for word in re.findall(r"[A-Z]+(?:_[A-Z]+)+", text)}
    for path, text in sorted(tree.files.items()):
        if not under(path, "common", "coordinator", "customers", "gateway", "orders") or is_test(path) \
                or not path.endswith((".cc", ".h", ".go")) or path == _CONNECTOR:
            continue
        for line, found in find(_REASON, text):
            if found[1:] not in documented:
                yield Violation(path, line, f"{found[1:]} is explained neither in proto/ nor in docs/")


RULES: tuple[Callable[[Tree], Iterator[Violation]], ...] = (
    no_transaction_calls_of_the_connector,
    time_chance_and_threads_come_through_the_seams,
    sql_stays_in_stores,
    dependencies_point_one_way,
    engine_and_domain_are_pure,
    no_path_of_one_machine,
    reasons_are_documented,
)


def main() -> int:
    tree = read_tree()
    violations = [violation for rule in RULES for violation in rule(tree)]
    for violation in violations:
        print(violation)
    print(f"{len(tree.files)} files, {len(RULES)} rules, {len(violations)} violations")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
