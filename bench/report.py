"""A report as Markdown. Pure."""

PROCESSES = ("coordinator", "orders", "customers", "gateway", "server", "driver")


def plain(digits):
    return lambda number: f"{number:.{digits}f}"


def percent(number):
    return f"{number * 100:.0f}%"


def significant(number):
    """For figures of any size."""
    return f"{number:.0f}" if number >= 100 else f"{number:.3g}"


def milliseconds(number):
    return f"{number:.1f}" if number >= 10 else f"{number:.2f}"


def ratio(number):
    return f"x{number:.2f}"


# Title, whether the lowest and the highest are shown, and columns: heading, figure, format.
TABLES = (
    ("Throughput and latency (ms)", True, (
        ("sagas/s", "sagas_per_second", plain(0)), ("p50", "p50_ms", milliseconds), ("p90", "p90_ms", milliseconds),
        ("p99", "p99_ms", milliseconds), ("p99.9", "p999_ms", milliseconds), ("max", "max_ms", milliseconds),
        ("of floor", "of_floor", percent), ("p50/chain", "p50_of_chain", plain(2)),
        ("p99/chain", "p99_of_chain", plain(2)), ("others' CPU", "others", percent))),
    ("After kill -9 of the coordinator (seconds until all have ended)", True, (
        ("started in", "recovery.started_in", plain(1)), ("compensating then", "recovery.compensating", plain(0)),
        ("from the kill", "recovery.from_kill", plain(1)), ("from serving again", "recovery.from_serving", plain(1)),
        ("succeeded", "recovery.succeeded", plain(0)), ("compensated", "recovery.compensated", plain(0)),
        ("others' CPU", "others", percent))),
    ("CPU seconds per 1,000 sagas", False, tuple(
        (name, f"cpu.{name}", plain(3)) for name in (*PROCESSES, "sum"))),
    ("Memory at the end (MB)", False, tuple((name, f"rss.{name}", plain(0)) for name in PROCESSES)),
    ("Group commit", False, tuple(
        (f"{what} {name}", f"{figure}.{name}", significant)
        for what, figure in (("operations/commit", "batch"), ("commits/saga", "commits"),
                             ("statements/saga", "statements"))
        for name in ("coordinator", "orders", "customers"))),
    ("Database server, per saga", False, tuple(
        (name.replace("_", " "), f"db.{name}", significant)
        for name in ("commits", "log_fsyncs", "data_fsyncs", "log_bytes", "statements", "executes", "prepares",
                     "rows_inserted", "rows_updated", "rows_deleted", "rows_read", "lock_waits", "pages_read",
                     "pages_written", "bytes_in", "bytes_out"))),
)


def cell(figure, show, with_range):
    if figure is None:
        return ""
    if with_range and figure["min"] != figure["max"]:
        return f"{show(figure['median'])} ({show(figure['min'])}..{show(figure['max'])})"
    return show(figure["median"])


def table(heading, rows):
    """Rows of text, padded so that it reads as it is too."""
    widths = [max(len(row[column]) for row in (heading, *rows)) for column in range(len(heading))]
    lines = ["| " + " | ".join(text.ljust(width) if column == 0 else text.rjust(width)
                               for column, (text, width) in enumerate(zip(row, widths))) + " |"
             for row in (heading, *rows)]
    lines.insert(1, "|" + "|".join("-" * (width + 2) if column == 0 else "-" * (width + 1) + ":"
                                   for column, width in enumerate(widths)) + "|")
    return "\n".join(lines)


def tables(lines, show=None):
    """Every table, with the lines and the columns that have figures; `show` in place of each column's own format."""
    parts = []
    for title, with_range, columns in TABLES:
        # Every line has others' CPU; it belongs to where the line has more.
        own = {figure for _, figure, _ in columns} - {"others"}
        shown = [line for line in lines if own & line["values"].keys()]
        columns = [column for column in columns if any(column[1] in line["values"] for line in shown)]
        rows = [[line["name"] + ("" if line.get("ok", True) else " FAILED"),
                 *(cell(line["values"].get(figure), show or form, with_range) for _, figure, form in columns)]
                for line in shown]
        if rows:
            parts.append(f"**{title}**\n\n" + table(["", *(heading for heading, _, _ in columns)], rows))
    return "\n\n".join(parts)


def markdown(report, compared=None):
    runs = report["runs"]
    head = f"{report['db']}; {report['cores']} cores; {report['stored']} sagas stored before; " + (
        "one run" if runs == 1 else f"medians of {runs} alternating runs (lowest..highest)")
    text = f"{head}\n\n{tables(report['lines'])}\n"
    if compared is not None:
        text += f"\nNew to old:\n\n{tables(compared, show=ratio)}\n"
    return text
