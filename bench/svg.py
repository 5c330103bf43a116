"""A report as a picture: throughput and latency by callers, or by the rate of arrivals. Pure."""

import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 460, 320  # of a panel
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 64, 48  # its margins
LEGENDS_A_ROW, LEGEND_WIDTH, LEGEND_HEIGHT = 3, 120, 16
COLORS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf")


class LinearAxis:
    """From nothing to a round number."""

    def __init__(self, values):
        step = 10 ** math.floor(math.log10(max(values)))
        if max(values) / step < 4:
            step /= 2
        self.ticks = [step * i for i in range(math.ceil(max(values) / step) + 1)]

    def share(self, value):
        return value / self.ticks[-1]


class LogAxis:
    """Between powers of `base`."""

    def __init__(self, values, base):
        low = math.floor(math.log(min(values), base) + 1e-9)
        high = max(math.ceil(math.log(max(values), base) - 1e-9), low + 1)
        self.ticks = [base ** power for power in range(low, high + 1)]

    def share(self, value):
        first, last = math.log(self.ticks[0]), math.log(self.ticks[-1])
        return (math.log(value) - first) / (last - first)


def text(x, y, words, anchor="middle", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{escape(words)}</text>'


def panel(offset, title, x_title, y_title, x_axis, y_axis, series):
    """`series`: (name, color, dashed, points)."""
    def x_of(value):
        return offset + LEFT + x_axis.share(value) * (WIDTH - LEFT - RIGHT)

    def y_of(value):
        return HEIGHT - BOTTOM - y_axis.share(value) * (HEIGHT - TOP - BOTTOM)

    parts = [text(offset + WIDTH / 2, 18, title, more=' font-weight="bold"'),
             text(offset + WIDTH / 2, HEIGHT - 12, x_title),
             text(0, 0, y_title, more=f' transform="translate({offset + 14} {HEIGHT / 2}) rotate(-90)"')]
    for tick in x_axis.ticks:
        parts.append(f'<line x1="{x_of(tick):.1f}" y1="{TOP}" x2="{x_of(tick):.1f}" y2="{HEIGHT - BOTTOM}" '
                     'class="grid"/>')
        parts.append(text(x_of(tick), HEIGHT - BOTTOM + 16, f"{tick:g}"))
    for tick in y_axis.ticks:
        parts.append(f'<line x1="{offset + LEFT}" y1="{y_of(tick):.1f}" x2="{offset + WIDTH - RIGHT}" '
                     f'y2="{y_of(tick):.1f}" class="grid"/>')
        parts.append(text(offset + LEFT - 6, y_of(tick) + 4, f"{tick:g}", "end"))
    for i, (name, color, dashed, points) in enumerate(series):
        style = f'stroke="{color}"' + (' stroke-dasharray="5 4"' if dashed else "")
        path = " ".join(f"{x_of(x):.1f},{y_of(y):.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke-width="2" {style}/>')
        parts += [f'<circle cx="{x_of(x):.1f}" cy="{y_of(y):.1f}" r="3" fill="{color}"/>' for x, y in points]
        left = offset + LEFT + i % LEGENDS_A_ROW * LEGEND_WIDTH
        middle = 34 + i // LEGENDS_A_ROW * LEGEND_HEIGHT
        parts.append(f'<line x1="{left}" y1="{middle}" x2="{left + 18}" y2="{middle}" stroke-width="2" {style}/>')
        parts.append(text(left + 22, middle + 4, name, "start"))
    return parts


def points_of(lines, by, figure):
    """{workload: [(callers or rate, median)]}"""
    found = {}
    for line in lines:
        if line.get(by) and line["values"].get(figure, {}).get("median", 0) > 0:
            found.setdefault(line["name"].split(",")[0], []).append((line[by], line["values"][figure]["median"]))
    return {name: sorted(points) for name, points in found.items()}


def plot(report):
    by = "rate" if any(line.get("rate") for line in report["lines"]) else "callers"
    x_title = "arrivals per second" if by == "rate" else "callers"
    figures = {figure: points_of(report["lines"], by, figure) for figure in ("sagas_per_second", "p50_ms", "p99_ms")}
    parts = []
    if figures["sagas_per_second"]:
        colors = dict(zip(figures["sagas_per_second"], COLORS))
        rates = [(name, colors[name], False, points) for name, points in figures["sagas_per_second"].items()]
        latencies = [(f"{name} {figure[:3]}", colors[name], figure == "p99_ms", points)
                     for figure in ("p50_ms", "p99_ms") for name, points in figures[figure].items()]
        x_axis = LogAxis([x for *_, points in rates for x, _ in points], 2)
        parts = panel(0, "Throughput", x_title, "sagas/s", x_axis,
                      LinearAxis([y for *_, points in rates for _, y in points]), rates)
        parts += panel(WIDTH, "Latency", x_title, "milliseconds", x_axis,
                       LogAxis([y for *_, points in latencies for _, y in points], 10), latencies)
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * WIDTH} {HEIGHT + 20}" font-family="sans-serif" '
        'font-size="11">',
        "<style>.grid { stroke: #ddd }</style>",
        f'<rect width="{2 * WIDTH}" height="{HEIGHT + 20}" fill="white"/>',
        *parts, text(8, HEIGHT + 12, report["db"][:150], "start", ' fill="#666" font-size="9"'), "</svg>\n"])
