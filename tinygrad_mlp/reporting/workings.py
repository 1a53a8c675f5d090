"""How the network works and whether it does, as the data that a report's template lays out."""

from __future__ import annotations

from typing import NamedTuple

from markupsafe import Markup

from tinygrad_mlp import nn
from tinygrad_mlp.errors import MissingToolError, TinygradError
from tinygrad_mlp.nn.module import SUMMARY
from tinygrad_mlp.plotting import plot_weights
from tinygrad_mlp.reporting.code import highlighted
from tinygrad_mlp.reporting.inline import inline_figure, inline_svg
from tinygrad_mlp.reporting.mathematics import mathml
from tinygrad_mlp.reporting.results import Table, counted
from tinygrad_mlp.reporting.subject import CHECKED_SAMPLES, Subject
from tinygrad_mlp.verify import GradReport

MOST_UNITS = 24
"""Units whose weights are shown as images."""

MOST_EQUATIONS = 100
"""Equations of a derivation that are shown: those of about ten layers."""


def layers(model: nn.Module) -> Table:
    """A row for each layer."""
    rows = [[cell.replace("\n", ", ") for cell in row] for row in model.summary()]
    return Table(SUMMARY, rows, names=3)


def neurons(subject: Subject) -> Markup | None:
    """A fully connected network as textbooks draw it; None for others."""
    if subject.network is None:
        return None
    label = "the network: units in columns, weights as lines"
    return inline_svg(subject.network.picture(), "neurons", label)


class Graph(NamedTuple):
    """The picture of the graph, or why there is none, and its text in the DOT language."""

    picture: Markup | None
    missing: str
    dot: str


def graph(subject: Subject) -> Graph:
    """The graph of the loss."""
    try:
        drawing = subject.drawing()
    except TinygradError as error:
        return Graph(None, str(error), "")
    try:
        label = "the graph of the loss: operations, parameters and data"
        return Graph(inline_svg(drawing.svg, "graph", label), "", drawing.dot)
    except MissingToolError as error:
        return Graph(None, str(error), drawing.dot)


def first_weights(subject: Subject) -> Markup | None:
    """What the units of a first layer look for, if their input is an image."""
    weight = next((p.data for p in subject.model.parameters()), None)
    if subject.images is None or weight is None or weight.ndim != 2:
        return None
    shape = subject.images.shape[1:]
    if weight.shape[1] != shape[0] * shape[1]:
        return None
    return inline_figure(
        lambda: plot_weights(weight, MOST_UNITS, shape), "weights",
        "weights of the first layer as images", (6.2, 3.9),
    )  # fmt: skip


class Equations(NamedTuple):
    """A heading with equations below it: left sides (empty where repeated) and right sides."""

    heading: str
    rows: list[tuple[Markup, Markup]]


class Derivation(NamedTuple):
    """The equations of a derivation; why there are none; how many are left out."""

    groups: list[Equations]
    missing: str
    left_out: int


def derivation(subject: Subject) -> Derivation:
    """The derivation in MathML."""
    try:
        derived = subject.derivation()
        groups, room = [], MOST_EQUATIONS
        for heading, equations in derived.sections():
            rows, last = [], None
            for equation in equations[: max(room, 0)]:
                left, right = equation.sides
                rows.append((mathml(left) if equation.name != last else Markup(), mathml(right)))
                last = equation.name
            room -= len(equations)
            if rows:
                groups.append(Equations(heading, rows))
    except TinygradError as error:
        return Derivation([], str(error), 0)
    return Derivation(groups, "", max(-room, 0))


class Step(NamedTuple):
    """The program of a training step; why there is none."""

    readable: Markup
    source: Markup
    passes: str
    missing: str


def step(subject: Subject) -> Step:
    """The training step as NumPy code."""
    try:
        program = subject.step()
        return Step(
            highlighted(program.readable), highlighted(program.source),
            program.program.explain_passes(), "",
        )  # fmt: skip
    except TinygradError as error:
        return Step(Markup(), Markup(), "", str(error))


class Check(NamedTuple):
    """The table of a gradient check, with its verdict and how it was made."""

    table: Table | None
    ok: bool
    verdict: str
    how: str


def gradient_check(subject: Subject) -> Check:
    """The gradients of all parameters against numbers."""
    try:
        report = subject.gradient_check()
    except TinygradError as error:
        return Check(None, False, f"not made: {error}", "")
    rows = []
    for pair, name in zip(report.pairs, report.inputs, strict=True):
        called = name.partition("'")[2].rpartition("'")[0]
        index = pair.input_index
        place = "a random direction" if index is None else f"[{', '.join(map(str, index))}]"
        rows.append((
            called, place, f"{pair.autograd:.6e}", f"{pair.numeric:.6e}",
            f"{pair.relative_error:.1e}", pair.method, pair.status,
        ))  # fmt: skip
    headings = ["parameter", "worst at", "automatic", "numerical", "relative error", "by", "found"]
    return Check(Table(headings, rows, names=2), report.ok, _verdict(report), _how(report, subject))


def _verdict(report: GradReport) -> str:
    problems = [f"{problem.kind}: {problem.message}" for problem in report.problems]
    if report.ok:
        undecided = [p for p in report.pairs if p.status != "ok"]
        return "right" if not undecided else f"right, but for {len(undecided)} undecided"
    return "; ".join(["WRONG", *problems])


def _how(report: GradReport, subject: Subject) -> str:
    found, checked = sum(1 for _ in subject.model.parameters()), len(report.inputs)
    some = f"the first and the last {checked // 2} of {found} parameters"
    which = "all parameters" if checked == found else some
    what = "random directions of" if report.fast else "every single number of"
    samples = counted(min(CHECKED_SAMPLES, len(subject.X)), "sample")
    return (
        f"Checked: {what} {which}, on the mean loss of {samples}; allowed: a relative error of "
        f"{report.rtol:g}."
    )
