"""The results as text: for a terminal of 80 columns, and as Markdown."""

from __future__ import annotations

from typing import Any

from tests.benchmarks.ratios import COMPARED, Row, rows

HEADS = {
    "speed": "times as fast as",
    "cost": "cost / that of",
    "checks": "cost / forward + backward",
    "value": "",
}

BEGIN, END = "<!-- the tables of a run -->", "<!-- the end of the tables -->"
"""The lines of the page on performance between which the tables stand."""


def number(value: float | None) -> str:
    """Three digits, and no more.

    >>> number(31.24), number(0.5678), number(1234.5), number(0.0), number(None)
    ('31.2', '0.568', '1230', '0', '')
    """
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def threads_of(results: dict[str, Any]) -> list[int]:
    """The numbers of threads measured."""
    return sorted({run["threads"] for run in results["runs"]})


def table(results: dict[str, Any]) -> str:
    """Ratios and targets, then what was measured."""
    threads = threads_of(results)
    head = f"{'ratio':<40}" + "".join(f"{_threads(n):>8}" for n in threads)
    lines = [head + f"{'best':>8} {'target':>8} ", ""]
    before = ""
    for row in rows(results["runs"]):
        title = _title(row)
        if title != before:
            lines.append(title)
        before = title
        lines.append(_line(row, threads))
    lines += ["", *_measured(results, threads)]
    return "\n".join(line.rstrip() for line in lines)


def _threads(n: int) -> str:
    return f"{n} thr."


def _title(row: Row) -> str:
    head = HEADS[row.kind]
    return f"{row.case}: {head}" if head else row.case


def _line(row: Row, threads: list[int]) -> str:
    values = "".join(f"{number(row.values.get(n)):>8}" for n in threads)
    target = str(row.target) if row.target else ""
    name = f"  {row.other}"
    return f"{name:<40}{values}{number(row.best):>8} {target:>8} {row.verdict}"


def _times(results: dict[str, Any]) -> dict[tuple[str, str], dict[str, dict[int, float]]]:
    """Medians of time by case and unit, contender, and threads; samples in microseconds."""
    found: dict[tuple[str, str], dict[str, dict[int, float]]] = {}
    for run in results["runs"]:
        for case in run["cases"]:
            if case["unit"] in (*COMPARED, "run"):
                micro = case["unit"] in COMPARED
                unit = f"µs a {case['unit']}" if micro else "ms"
                rows_of = found.setdefault((case["name"], unit), {})
                for name, seconds in case["medians"].items():
                    rows_of.setdefault(name, {})[run["threads"]] = seconds * (1e6 if micro else 1e3)
                for name in case["missing"]:
                    rows_of.setdefault(name, {})
    return found


def better(values: dict[int, float]) -> str:
    """The number of threads with which it is faster, by more than 5 %."""
    if len(values) < 2:
        return ""
    first, second = sorted(values, key=lambda n: values[n])[:2]
    return str(first) if values[second] > 1.05 * values[first] else "same"


def _measured(results: dict[str, Any], threads: list[int]) -> list[str]:
    head = f"{'measured':<40}" + "".join(f"{_threads(n):>8}" for n in threads)
    lines = [head + f"{'better':>8}"]
    for (case, unit), contenders in _times(results).items():
        lines += ["", f"{case} ({unit})"]
        for name, values in contenders.items():
            shown = "".join(f"{number(values.get(n)):>8}" for n in threads)
            end = f"{better(values):>8}" if values else "  not installed"
            lines.append(f"  {name:<38}{shown}{end}")
    return lines


def losses(results: dict[str, Any]) -> list[str]:
    """A sentence for each contender that does the same work faster, the worst first."""
    lost = [row for row in rows(results["runs"]) if row.lost]
    lost.sort(key=lambda row: min(map(row.speed, row.values.values())))
    sentences = []
    for row in lost:
        parts = [
            f"{number(1 / row.speed(value))} × ({n} thread{'s' if n > 1 else ''})"
            for n, value in sorted(row.values.items()) if row.speed(value) < 1
        ]
        sentences.append(f"{row.case}: {row.other} is faster, {', '.join(parts)}")
    return sentences


def markdown(results: dict[str, Any]) -> str:
    """The tables for the documentation, with what they were measured on and where we lose."""
    threads = threads_of(results)
    lines = [*_machine(results), "", "## Ratios", ""]
    lines += _head(["work", "against", *map(_long, threads), "best", "target", ""], 2)
    for row in rows(results["runs"]):
        values = [number(row.values.get(n)) for n in threads]
        what = f"{row.case}: {HEADS[row.kind]}".removesuffix(": ")
        lines.append(_cells([what, row.other, *values, number(row.best), _bound(row), row.verdict]))
    lines += ["", "## Times"]
    for (case, unit), contenders in _times(results).items():
        lines += ["", f"{case[0].upper()}{case[1:]}, {unit}:", ""]
        lines += _head(["contender", *map(_long, threads), "better"], 1)
        for name, values in contenders.items():
            shown = [number(values.get(n)) for n in threads] if values else ["–"] * len(threads)
            lines.append(_cells([name, *shown, better(values) if values else "not installed"]))
    lost = losses(results) or ["nowhere in this run"]
    lines += ["", "## Where we lose", "", *(f"- {sentence}." for sentence in lost), ""]
    lines += ["## For developers: targets, and why some are missed", "", *_targets(results), ""]
    return "\n".join(lines)


def _targets(results: dict[str, Any]) -> list[str]:
    threads = threads_of(results)
    lines = _head(["work", "measure", "target", *map(_long, threads), ""], 2)
    for row in rows(results["runs"]):
        if row.target is not None:
            values = [number(row.values.get(n)) for n in threads]
            measure = f"{HEADS[row.kind]} {row.other}".strip()
            lines.append(_cells([row.case, measure, _bound(row), *values, row.verdict]))
    return lines


def _bound(row: Row) -> str:
    return str(row.target).replace(">=", "≥").replace("<=", "≤") if row.target else ""


def page(text: str, results: dict[str, Any]) -> str:
    """The page on performance with the tables of a run in the place of those that it has."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{markdown(results)}\n{END}{tail}"


def _machine(results: dict[str, Any]) -> list[str]:
    about = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    clock = "the processor" if results["cpu"] else "the clock"
    return [
        f"Measured by the time of {clock} on {about['cpu']} with {about['cores']} cores, "
        f"{about['system']}; {versions}; BLAS: {about['blas']}, with the kernel that it chose for "
        f"this processor. Images: {results['images']}."
    ]


def _long(n: int) -> str:
    return f"{n} thread{'s' if n > 1 else ''}"


def _head(names: list[str], left: int) -> list[str]:
    return [_cells(names), _cells(["---"] * left + ["--:"] * (len(names) - left))]


def _cells(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
