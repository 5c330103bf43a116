"""Each rule catches a violation that is planted for it, and lets pass what only looks like one."""

import inspect

import pytest

import rules
from rules import Tree


def violations(rule, path, text, **others):
    files = {path: text}
    files.update({name.replace("__", "/") + ".h": body for name, body in others.items()})
    return [violation for violation in rule(Tree(files)) if violation.path == path]


@pytest.mark.parametrize("call", ["connection->commit();", "connection->rollback();", "c->setAutoCommit(false);",
                                  "connection . commit ();"])
def test_a_transaction_call_of_the_connector_is_caught(call):
    assert violations(rules.no_transaction_calls_of_the_connector, "common/sql/mysql.cc", f"void F() {{ {call} }}")


@pytest.mark.parametrize("text", ["// never c->commit()\n", 'execute("->commit()");', "connection.Commit();"])
def test_what_only_names_a_transaction_call_passes(text):
    assert not violations(rules.no_transaction_calls_of_the_connector, "common/sql/mysql.cc", text)


@pytest.mark.parametrize("code", [
    "auto t = std::chrono::steady_clock::now();", "absl::Time t = absl::Now();", "std::random_device seed;",
    "std::this_thread::sleep_for(1s);", "absl::SleepFor(d);", "usleep(3);", "std::thread t;",
    "std::condition_variable wakeup;", "std::promise<int> p;"])
def test_time_chance_and_threads_outside_the_seams_are_caught(code):
    rule = rules.time_chance_and_threads_come_through_the_seams
    assert violations(rule, "orders/service/orders.cc", code)
    assert not violations(rule, "common/exec/threads.cc", code)
    assert not violations(rule, "orders/service/orders_test.cc", code)


@pytest.mark.parametrize("code", ["clock.Now();", "// now() is banned", "int quantity = 10'000; F('\\'');",
                                  "clock_.SleepFor(d);"])
def test_what_goes_through_the_seams_passes(code):
    assert not violations(rules.time_chance_and_threads_come_through_the_seams, "orders/service/orders.cc", code)


@pytest.mark.parametrize("sql", ["SELECT sku FROM product", "INSERT INTO product VALUES (?)", "UPDATE product SET sku = ?",
                                 "DELETE FROM product", "CREATE TABLE product (sku TEXT)", "PRAGMA journal_mode"])
def test_sql_outside_a_store_is_caught(sql):
    assert violations(rules.sql_stays_in_stores, "orders/service/orders.cc", f'Run("{sql}");')
    assert violations(rules.sql_stays_in_stores, "orders/domain/order.cc", f'Run(R"sql({sql})sql");')
    assert not violations(rules.sql_stays_in_stores, "orders/store/orders.cc", f'Run("{sql}");')


@pytest.mark.parametrize("text", ['Log("insert into the list");', "// SELECT sku FROM product\n", 'Say("SELECTED");', 'Query("SELECT 1");'])
def test_what_only_looks_like_sql_passes(text):
    assert not violations(rules.sql_stays_in_stores, "orders/service/orders.cc", text)


@pytest.mark.parametrize("path,included", [
    ("common/batch/group_commit.h", "orders/domain/order.h"),
    ("orders/service/orders.cc", "customers/domain/stock.h"),
    ("orders/domain/order.h", "orders/store/store.h"),
    ("orders/store/store.h", "orders/service/orders.h"),
    ("coordinator/engine/engine.h", "coordinator/runtime/runtime.h"),
    ("coordinator/journal/journal.h", "coordinator/runtime/runtime.h"),
    ("coordinator/main.cc", "orders/domain/order.h"),
])
def test_an_include_against_the_direction_is_caught(path, included):
    assert violations(rules.dependencies_point_one_way, path, f'#include "{included}"\n')


@pytest.mark.parametrize("path,included", [
    ("orders/service/orders.cc", "customers/v1/customers.grpc.pb.h"),
    ("orders/service/orders.cc", "orders/store/store.h"),
    ("orders/main.cc", "orders/service/environment.h"),
    ("orders/environment.h", "orders/store/store.h"),
    ("coordinator/runtime/runtime.h", "coordinator/journal/journal.h"),
    ("common/batch/group_commit.h", "common/sql/sql.h"),
    ("tests/simulation/world.cc", "orders/store/store.h"),
])
def test_an_include_in_the_direction_passes(path, included):
    assert not violations(rules.dependencies_point_one_way, path, f'#include "{included}"\n')


@pytest.mark.parametrize("included", ["<grpcpp/grpcpp.h>", '"orders/v1/orders.grpc.pb.h"', '"common/sql/sql.h"',
                                      '"absl/flags/flag.h"', '"common/clock/clock.h"', "<chrono>", "<thread>",
                                      '"common/random/random.h"'])
@pytest.mark.parametrize("path", ["orders/domain/order.h", "customers/domain/stock.cc", "coordinator/engine/engine.h"])
def test_impure_includes_of_pure_code_are_caught(path, included):
    assert violations(rules.engine_and_domain_are_pure, path, f"#include {included}\n")


def test_an_impure_include_by_way_of_another_header_is_caught():
    found = violations(rules.engine_and_domain_are_pure, "orders/domain/order.h", '#include "common/a.h"\n',
                       common__a='#include "common/b.h"\n', common__b="#include <grpcpp/grpcpp.h>\n")
    assert [violation.what for violation in found] == ["gRPC in pure code: common/a.h -> common/b.h -> grpcpp/grpcpp.h"]


def test_pure_includes_of_pure_code_pass():
    text = '#include <string>\n#include "absl/time/time.h"\n#include "orders/v1/orders.pb.h"\n'
    assert not violations(rules.engine_and_domain_are_pure, "orders/domain/order.h", text)


@pytest.mark.parametrize("folder", ["wo" + "rk", "t" + "mp", "ho" + "me"])
def test_a_path_of_one_machine_is_caught_in_any_file(folder):
    for path in ("README.md", "scripts/up", "orders/main.cc"):
        assert violations(rules.no_path_of_one_machine, path, f"cd /{folder}/somewhere\n")
        assert violations(rules.no_path_of_one_machine, path, f'open("/{folder}")\n')


def test_a_path_in_a_container_is_none_of_one_machine():
    assert not violations(rules.no_path_of_one_machine, "deploy/compose.yml", "tmpfs: [/" + "tmp]\n")


@pytest.mark.parametrize("text", ["build/" + "tmp/x", "$VAR/" + "work/x", "example.org/" + "home/", "/workers/1"])
def test_what_only_looks_like_a_path_of_one_machine_passes(text):
    assert not violations(rules.no_path_of_one_machine, "README.md", text)


@pytest.mark.parametrize("path", ["orders/domain/errors.cc", "common/rpc/unary.h", "gateway/errors.go"])
def test_a_reason_that_no_document_explains_is_caught(path):
    text = 'return MakeError(code, {kDomain, "TOO_' + 'PURPLE"}, "no");\n'
    assert violations(rules.reasons_are_documented, path, text)
    assert violations(rules.reasons_are_documented, path, 'Park(absl::StrCat("TOO_' + 'PURPLE: ", why));\n')
    for documented in ("docs/semantics.md", "proto/orders/v1/orders.proto"):
        tree = Tree({path: text, documented: "INVALID_ARGUMENT (`TOO_" + "PURPLE`)"})
        assert not list(rules.reasons_are_documented(tree))


def test_what_callers_do_not_see_needs_no_explanation():
    for path in ("orders/domain/order_test.cc", "gateway/errors_test.go", "common/sql/mysql_connection.cc", "bench/load.cc"):
        assert not violations(rules.reasons_are_documented, path, 'F("TOO_' + 'PURPLE");\n')


def test_every_rule_is_run():
    written = {value for value in vars(rules).values()
               if inspect.isfunction(value) and list(inspect.signature(value).parameters) == ["tree"]}
    assert written == set(rules.RULES)


def test_the_reader_of_the_tree_finds_the_code_and_no_build_output():
    files = rules.read_tree().files
    assert "common/sql/sql.h" in files and "tests/lint/rules.py" in files
    assert not [path for path in files if path.startswith(("build/", ".tools/", "var/"))]


def test_the_layers_of_code_are_told_apart():
    text = 'F("a // b"); // "c"\nG(R"(d " e)", \'"\'); /* "f" */ H(10\'000, "g");'
    assert rules.strings_of(text).split() == ['"a', "//", 'b"', 'R"(d', '"', 'e)"', '"g"']
    assert "a // b" not in rules.code_of(text) and "H(10'000" in rules.code_of(text)
    assert len(rules.code_of(text)) == len(rules.strings_of(text)) == len(text)
