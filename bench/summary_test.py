"""Medians, ratios and what is told of them."""

import json
import xml.etree.ElementTree

import pytest

from report import markdown, table
from summary import compare, relate, summarize
from svg import plot


def load(sagas_per_second, callers=1, p50_ms=2.0, ok=True):
    return {"sagas_per_second": sagas_per_second, "p50_ms": p50_ms, "p99_ms": 9.0, "cpu.sum": 1.5, "sagas": 100,
            "callers": callers, "floor_line": "floor hot", "ok": ok}


def report_of(lines, runs=1):
    return {"db": "sqlite <1>", "cores": 2, "runs": runs, "stored": 0, "lines": lines}


def test_a_line_is_held_against_the_floor_and_the_chain_of_its_own_run():
    run = relate({"floor hot": {"sagas_per_second": 400.0}, "chain": {"p50_ms": 1.0, "p99_ms": 3.0},
                  "hot, 1 callers": load(100.0), "hot, 8 callers": load(200.0, callers=8)})
    assert run["hot, 1 callers"]["of_floor"] == 0.25
    assert run["hot, 1 callers"]["p50_of_chain"] == 2.0
    assert run["hot, 1 callers"]["p99_of_chain"] == 3.0
    assert run["hot, 8 callers"]["of_floor"] == 0.5
    assert "p50_of_chain" not in run["hot, 8 callers"]


def test_several_runs_become_medians_with_their_range():
    (line,) = summarize([{"a": load(rate)} for rate in (30.0, 10.0, 20.0)])
    assert line["values"]["sagas_per_second"] == {"median": 20.0, "min": 10.0, "max": 30.0}
    assert line["callers"] == 1


def test_a_line_that_failed_once_has_failed():
    (line,) = summarize([{"a": load(30.0)}, {"a": load(30.0, ok=False)}])
    assert not line["ok"]
    assert "a FAILED" in markdown(report_of([line]))


def test_a_run_that_came_to_nothing_takes_nothing_from_the_others():
    nothing = {"floor hot": {"ok": False}, "chain": {"ok": False}, "hot": load(10.0)}
    lines = summarize([relate(nothing), {**nothing, "hot": {"ok": False}}])
    assert [line["ok"] for line in lines] == [False, False, False]
    assert lines[2]["values"]["sagas_per_second"]["median"] == 10.0


def test_ratios_are_of_the_lines_and_figures_that_both_reports_have():
    old = summarize([{"a": load(10.0), "only old": load(1.0)}])
    new = summarize([{"a": {**load(30.0), "cpu.new": 1.0}, "only new": load(1.0)}])
    (line,) = compare(new, json.loads(json.dumps(old)))
    assert line["name"] == "a"
    assert line["values"]["sagas_per_second"]["median"] == 3.0
    assert "cpu.new" not in line["values"]


def test_nothing_is_compared_with_nothing():
    old, new = (summarize([{"a": {"db.lock_waits": waits, "ok": True}}]) for waits in (0.0, 2.0))
    assert compare(new, old)[0]["values"] == {}


def test_a_table_has_a_column_only_if_a_line_has_its_figure():
    text = markdown(report_of(summarize([{"a": load(rate)} for rate in (1234.4, 1300.0, 1400.0)]), runs=3))
    assert "1300 (1234..1400)" in text
    assert "sagas/s" in text
    assert "max" not in text.split("\n\n")[2]
    assert "Memory" not in text


def test_a_line_stands_only_in_the_tables_that_it_has_figures_of():
    killed = {"recovery.from_kill": 4.2, "others": 0.1, "ok": True}
    text = markdown(report_of(summarize([{"hot": load(1.0), "killed": killed}])))
    assert [("hot" in part, "killed" in part) for part in text.split("**") if "|" in part] == [
        (True, False), (False, True), (True, False)]


def test_ratios_stand_below_the_figures():
    lines = summarize([{"a": load(30.0)}])
    assert "x1.00" in markdown(report_of(lines), compare(lines, lines)).split("New to old:")[1]


def test_a_table_is_as_wide_in_every_row():
    rows = table(["", "p50"], [["spread", "1.0"], ["hot", "12345.0"]]).splitlines()
    assert len(rows) == 4
    assert len({len(row) for row in rows}) == 1


@pytest.mark.parametrize("lines", [
    [],
    summarize([{"chain": {"p50_ms": 1.0, "ok": True}}]),
    summarize([{"hot, 1 callers": load(100.0)}]),
    summarize([{f"{name}, {callers} callers": load(100.0 * callers, callers, 0.3 * callers)
                for name in ("hot", "spread") for callers in (1, 16, 256)}])])
def test_the_picture_is_well_formed_whatever_was_measured(lines):
    assert xml.etree.ElementTree.fromstring(plot(report_of(lines))).tag.endswith("svg")


def test_the_picture_has_a_line_per_workload_and_percentile():
    lines = summarize([{f"{name}, {callers} callers": load(100.0 * callers, callers)
                        for name in ("hot", "spread") for callers in (1, 16)}])
    assert plot(report_of(lines)).count("<polyline") == 2 + 2 * 2
