"""``tinygrad-mlp compare``: two networks that differ in their loss only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tinygrad_mlp.cli import outputs
from tinygrad_mlp.cli.experiment import Experiment
from tinygrad_mlp.cli.options import Settings
from tinygrad_mlp.cli.outputs import INTERRUPT, SUCCESS, Heading, Table
from tinygrad_mlp.cli.running import Outcome
from tinygrad_mlp.neural_network import LOSSES
from tinygrad_mlp.plotting import plot_comparison
from tinygrad_mlp.training.history import History


def compare(settings: Settings, *, plot: Path) -> Outcome:
    """Train a network with each loss from the same weights, in the same order of samples."""
    outputs.check_outputs({"--plot": plot})
    experiment = Experiment(settings, LOSSES)
    networks = {loss: experiment.network(loss) for loss in LOSSES}
    print(experiment.summary(networks[LOSSES[0]], " and ".join(LOSSES)))
    code, runs = SUCCESS, {}
    for loss, network in networks.items():
        print(f"\n{loss}", end="")
        ended, runs[loss] = experiment.train(network)
        code = ended or code
        if ended == INTERRUPT:
            break
    histories = {loss: network.history for loss, network in networks.items() if network.history}
    if len(histories) == len(LOSSES):
        print(f"\n{verdict(histories)}")
    drawing = {plot: lambda path: plot_comparison(histories, path)}
    failed, files = outputs.write_all(drawing if histories else {})
    document: dict[str, Any] = {
        **experiment.document(networks[LOSSES[0]]), "runs": runs,
        "ahead": times_ahead(histories) if len(histories) == len(LOSSES) else None,
        "files": files}
    return Outcome(failed or code, document)


def leaders(histories: Mapping[str, History]) -> dict[int, tuple[float, float, str | None]]:
    """Return by iteration the validation accuracies of two trainings, and the leader, if any."""
    first, second = histories
    columns = [{record.iteration: record.validation_accuracy or 0.0 for record in history}
               for history in histories.values()]
    found: dict[int, tuple[float, float, str | None]] = {}
    # One of them may have ended early, at an iteration at which the other was not evaluated.
    for iteration in sorted(columns[0].keys() & columns[1].keys()):
        one, other = (column[iteration] for column in columns)
        found[iteration] = (one, other, None if one == other else first if one > other else second)
    return found


def times_ahead(histories: Mapping[str, History]) -> dict[str, int]:
    """Return how often each of two trainings was ahead of the other, and how often neither."""
    ahead = [leader for _, _, leader in leaders(histories).values()]
    return {**{loss: ahead.count(loss) for loss in histories}, "neither": ahead.count(None)}


def verdict(histories: Mapping[str, History]) -> str:
    """Return a table of validation accuracies, and how often each training was ahead.

    >>> from tinygrad_mlp.training.history import Record
    >>> histories = {"mean_square": History(), "cross_entropy": History()}
    >>> for history, accuracy in zip(histories.values(), (0.5, 0.75)):
    ...     history.append(Record(0, 0, 0.1, 2.5, 0.5, 2.5, 0.5))
    ...     history.append(Record(99, 0, 0.1, 1.5, 0.5, 1.5, accuracy))
    >>> print(verdict(histories))
    Validation accuracy at equal iterations
    iteration  mean_square  cross_entropy  ahead
            0       0.5000         0.5000  -
           99       0.5000         0.7500  cross_entropy
    Times ahead: cross_entropy 1, mean_square 0, neither 1.
    """
    first, second = histories
    headings = [Heading(text, right=True) for text in ("iteration", first, second)]
    table = Table([*headings, Heading("ahead", rank=1)])
    for iteration, (one, other, leader) in leaders(histories).items():
        table.add(f"{iteration:,}", f"{one:.4f}", f"{other:.4f}", leader or "-")
    ahead = times_ahead(histories)
    times = f"{second} {ahead[second]}, {first} {ahead[first]}, neither {ahead['neither']}"
    below = outputs.wrapped(f"Times ahead: {times}.")
    return f"Validation accuracy at equal iterations\n{table}\n{below}"
