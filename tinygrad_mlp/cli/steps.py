"""``tinygrad-mlp steps``: the forward and the backward pass of a file's loss, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tinygrad_mlp.autograd import Tensor
from tinygrad_mlp.autograd.graph import Value
from tinygrad_mlp.autograd.mode import changed_mode
from tinygrad_mlp.autograd.pytree import leaves, rebuild
from tinygrad_mlp.autograd.stores.differentiable import stores_recorded
from tinygrad_mlp.cli.check import ALL, derivation_report, parameters_of
from tinygrad_mlp.cli.check_subjects import (
    loss_called,
    loss_in,
    namespace_of,
    registry_restored,
)
from tinygrad_mlp.cli.outputs import check_outputs, write_all
from tinygrad_mlp.cli.running import Outcome
from tinygrad_mlp.errors import DataNotFoundError
from tinygrad_mlp.graph_view.layer_view import Recorded
from tinygrad_mlp.graph_view.naming import in_graph
from tinygrad_mlp.stepping import Step, Steps
from tinygrad_mlp.stepping.steps import check_ending
from tinygrad_mlp.stepping.steps import steps as walk_through
from tinygrad_mlp.verify.derivations.local_variables import call_with_local_variables

MOST_NUMBERS = 100
"""Elements of an array up to which ``--json`` prints its numbers."""


def steps(path: Path, *, output: Path | None) -> Outcome:
    """Print the steps of a file's loss, or write them to a page or an animation."""
    if not path.is_file():
        raise DataNotFoundError(f"{path}: there is no such file. Check the path.")
    if output is not None:
        check_ending(output, "--output")
        check_outputs({"--output": output})
    with registry_restored():
        found = _steps_of(path, namespace_of(path))
    code, files = write_all({} if output is None else {output: found.save})
    document = {"steps": [_document(step) for step in found], "program": found.content.program,
                "missing": found.content.missing, "files": files}
    return Outcome(code, document, str(found) if output is None else "")


def _steps_of(path: Path, names: Mapping[str, object]) -> Steps:
    """Return the steps of `loss`: a tensor, or a function of the parameters in the file."""
    loss = loss_in(path, names)
    if isinstance(loss, Value):
        return walk_through(loss, names=in_graph(Recorded(loss, "steps"), names))
    parameters = {name: _tensors(name, value)
                  for name, value in parameters_of(path, names).items()}
    report = derivation_report(path, names, ALL) if "derived" in names else None
    with loss_called(path), changed_mode(differentiating="steps"), stores_recorded(loss):
        value, variables = call_with_local_variables(loss, parameters)
    found = in_graph(Recorded(value, "steps"), {**names, **variables}) if (
        isinstance(value, Value)) else {}
    return walk_through(value, report, names=found)


def _tensors(name: str, value: object) -> Any:
    """Return a parameter, or a nesting of them, as tensors that require gradients."""
    flat = leaves(value)
    numbers = [""] if len(flat) == 1 else map(str, range(1, len(flat) + 1))
    return rebuild(value, [Tensor(a, requires_grad=True, name=f"{name}{number}")
                           for a, number in zip(flat, numbers, strict=True)])


def _document(step: Step) -> dict[str, object]:
    """Return a step as JSON."""
    return {
        "kind": step.kind, "name": step.name, "of": step.of, "call": step.call,
        "formula": step.formula and step.formula.text, "latex": step.formula and step.formula.latex,
        "shape": step.value.shape,
        "value": step.value if step.value.size <= MOST_NUMBERS else None,
        "entry": step.entry, "numbers": step.numbers,
        "terms": [
            {"incoming": term.incoming, "local": term.local, "product": term.product,
             "of": use.incoming, "output": term.output}
            for use in step.uses for term in use.terms or ()],
        "code": step.code, "lines": step.lines,
        "departure": step.departure and {"line": step.departure.line, "text": step.departure.text}}
