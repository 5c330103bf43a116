"""From the figures of several runs to one report, and from two reports to their ratios. Pure."""

import statistics


def relate(run):
    """Adds to a run's figures, {name of the line: values}, what they are of the floor and of the chain beside them."""
    chain = run.get("chain")
    for values in run.values():
        floor = run.get(values.get("floor_line"))
        if floor is not None and "sagas_per_second" in floor:
            values["of_floor"] = values["sagas_per_second"] / floor["sagas_per_second"]
        if chain is not None and "p50_ms" in chain and values.get("callers") == 1:
            values["p50_of_chain"] = values["p50_ms"] / chain["p50_ms"]
            values["p99_of_chain"] = values["p99_ms"] / chain["p99_ms"]
    return run


def spread(numbers):
    return {"median": statistics.median(numbers), "min": min(numbers), "max": max(numbers)}


def summarize(runs):
    """Of runs of the same lines: each line once, each figure as its median with the lowest and the highest, of the runs
    that have it."""
    lines = []
    for name in runs[0]:
        every = [run[name] for run in runs]
        told = {key: value for values in every for key, value in values.items()}
        lines.append({"name": name, "callers": told.get("callers"), "rate": told.get("rate"),
                      "ok": all(values["ok"] for values in every),
                      "values": {key: spread([values[key] for values in every if key in values])
                                 for key, value in told.items() if isinstance(value, float)}})
    return lines


def compare(lines, old_lines):
    """The lines that both have, each figure as what the new median is of the old one; none where that was nothing."""
    old_values = {line["name"]: line["values"] for line in old_lines}
    compared = []
    for line in lines:
        old = old_values.get(line["name"])
        if old is None:
            continue
        ratios = {key: figure["median"] / old[key]["median"] for key, figure in line["values"].items()
                  if key in old and old[key]["median"] > 0}
        compared.append({"name": line["name"], "values": {key: spread([ratio]) for key, ratio in ratios.items()}})
    return compared
