"""The workings of a network as data for the template: layers, graph, derivation, step, check."""

from __future__ import annotations

import base64
import io
import keyword
import tokenize
from functools import partial
from itertools import accumulate
from typing import NamedTuple

from markupsafe import Markup, escape

from tinygrad_mlp.errors import TinygradError
from tinygrad_mlp.nn.module import SUMMARY
from tinygrad_mlp.plotting import plot_weights
from tinygrad_mlp.reporting.inline_pictures import inline_figure, inline_svg
from tinygrad_mlp.reporting.reported_model import CHECKED_SAMPLES, ReportedModel
from tinygrad_mlp.reporting.results import ReportTable, counted
from tinygrad_mlp.stepping.page import fragment
from tinygrad_mlp.support.mathematics import mathml
from tinygrad_mlp.verify import GradReport

MOST_UNITS = 24  # units whose weights are shown as images
MOST_EQUATIONS = 100  # the largest number of equations that are shown: those of about ten layers


def layers(subject: ReportedModel) -> ReportTable:
    """Return a table with a row for each layer, with the shape of its output for one sample."""
    summary = subject.model.summary(subject.X[:1])
    rows = [[cell.replace("\n", ", ") for cell in row] for row in summary]
    return ReportTable((*SUMMARY, "output"), rows, numeric=range(3, 4))


def neurons(subject: ReportedModel) -> Markup | None:
    """Draw a fully connected network as in textbooks; return None for other models."""
    if subject.network is None:
        return None
    label = "the network: units in columns, weights as lines"
    return inline_svg(subject.network.picture(), "neurons", label)


class GraphSection(NamedTuple):
    """The picture of a graph or the reason for its absence, and its text in DOT."""

    picture: Markup | None
    missing: str
    dot: str


def graph(subject: ReportedModel) -> GraphSection:
    """Draw the graph of the loss."""
    dot, label = "", "the graph of the loss: operations, parameters and data"
    try:
        drawing = subject.drawing()
        dot = drawing.dot
        return GraphSection(inline_svg(drawing.svg, "graph", label), "", dot)
    except TinygradError as error:  # the graph cannot be drawn, or Graphviz is missing
        return GraphSection(None, str(error), dot)


def first_weights(subject: ReportedModel) -> Markup | None:
    """Draw the weights of a first layer as images, if its inputs are images."""
    weight = next((p.data for p in subject.model.parameters()), None)
    if subject.images is None or weight is None or weight.ndim != 2:
        return None
    height, width = subject.images.shape[1:3]
    if weight.shape[1] != height * width:
        return None
    return inline_figure(partial(plot_weights, weight, MOST_UNITS, (height, width)), "weights",
                         "weights of the first layer as images", (6.2, 3.9))


class EquationGroup(NamedTuple):
    """A heading and equations: left and right sides."""

    heading: str
    rows: list[tuple[Markup, Markup]]


class DerivationSection(NamedTuple):
    """The equations of a derivation, the reason for their absence, the number left out."""

    groups: list[EquationGroup]
    missing: str
    left_out: int


def derivation(subject: ReportedModel) -> DerivationSection:
    """Write the derivation of the gradients in MathML."""
    try:
        derived = subject.derivation()
        closed = derived.closed.equations
        short = len(closed) + len(derived.equations) <= MOST_EQUATIONS and not derived.closed.note
        sections = [("In closed form", closed)] if short else []
        room = MOST_EQUATIONS
        groups = []
        for heading, equations in [*sections, *derived.sections()]:
            rows = [(mathml(left), mathml(right)) for left, right in
                    (equation.sides for equation in equations[: max(room, 0)])]
            room -= len(equations)
            if rows:
                groups.append(EquationGroup(heading, rows))
    except TinygradError as error:
        return DerivationSection([], str(error), 0)
    return DerivationSection(groups, "", max(-room, 0))


class PassSection(NamedTuple):
    """The steps of one pass as an animation and as a list, or the reason for their absence."""

    animation: str
    steps: Markup
    missing: str


def one_pass(subject: ReportedModel) -> PassSection:
    """Step through a forward and a backward pass."""
    try:
        found = subject.steps()
    except TinygradError as error:
        return PassSection("", Markup(), str(error))
    address = base64.b64encode(found.svg.encode()).decode()
    return PassSection(f"data:image/svg+xml;base64,{address}", Markup(fragment(found.content)), "")


class StepSection(NamedTuple):
    """The program of a training step, or the reason for its absence."""

    readable: Markup
    source: Markup
    passes: str
    missing: str


def step(subject: ReportedModel) -> StepSection:
    """Write a training step as NumPy code."""
    try:
        program = subject.step()
        readable, source = highlighted(program.readable), highlighted(program.source)
        return StepSection(readable, source, program.program.explain_passes(), "")
    except TinygradError as error:
        return StepSection(Markup(), Markup(), "", str(error))


def highlighted(source: str) -> Markup:
    """Mark the comments, keywords and numbers of Python code.

    >>> print(highlighted("return a < 1  # (3,)"))
    <b>return</b> a &lt; <i>1</i>  <s># (3,)</s>
    """
    text = source.strip("\n")
    starts_of_lines = [0, *accumulate(len(line) + 1 for line in text.split("\n"))]
    marked, end = Markup(), 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        tag = {tokenize.COMMENT: "s", tokenize.NUMBER: "i"}.get(token.type, "")
        if token.type == tokenize.NAME and keyword.iskeyword(token.string):
            tag = "b"
        if tag:
            row, column = token.start
            start = starts_of_lines[row - 1] + column
            marked += escape(text[end:start])
            marked += Markup(f"<{tag}>{escape(token.string)}</{tag}>")
            end = start + len(token.string)
    return marked + escape(text[end:])


class CheckSection(NamedTuple):
    """The table of a gradient check, with its verdict and its method."""

    table: ReportTable | None
    ok: bool
    verdict: str
    how: str


def gradient_check(subject: ReportedModel) -> CheckSection:
    """Compare the gradients of all parameters with numerical derivatives."""
    try:
        report = subject.gradient_check()
    except TinygradError as error:
        return CheckSection(None, False, f"not made: {error}", "")
    rows = []
    for pair, name in zip(report.pairs, report.inputs, strict=True):
        called = name.partition("'")[2].rpartition("'")[0]
        index = pair.input_index
        place = "a random direction" if index is None else f"[{', '.join(map(str, index))}]"
        rows.append((called, place, f"{pair.autograd:.6e}", f"{pair.numeric:.6e}",
                     f"{pair.relative_error:.1e}", pair.method, pair.status))
    headings = ["parameter", "worst at", "automatic", "numerical", "relative error", "by", "found"]
    table = ReportTable(headings, rows, numeric=range(2, 5))
    return CheckSection(table, report.ok, _verdict(report), _method(report, subject))


def _verdict(report: GradReport) -> str:
    if not report.ok:
        found = (f"{problem.kind}: {problem.message}" for problem in report.problems)
        return "; ".join(["WRONG", *found])
    undecided = sum(pair.status != "ok" for pair in report.pairs)
    return f"right, but for {undecided} undecided" if undecided else "right"


def _method(report: GradReport, subject: ReportedModel) -> str:
    found, checked = sum(1 for _ in subject.model.parameters()), len(report.inputs)
    some = f"the first and the last {checked // 2} of {found} parameters"
    which = "all parameters" if checked == found else some
    what = "random directions of" if report.fast else "every single number of"
    samples = counted(min(CHECKED_SAMPLES, len(subject.X)), "sample")
    return (
        f"Checked: {what} {which}, on the mean loss of {samples}; allowed: a relative error of "
        f"{report.rtol:g}.")
