"""``tinygrad-mlp compare``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tinygrad_mlp.cli.experiment import Experiment, Settings
from tinygrad_mlp.cli.outputs import INTERRUPT, SUCCESS, check_outputs, wrapped, write_all
from tinygrad_mlp.history import History
from tinygrad_mlp.neural_network import LOSSES
from tinygrad_mlp.plotting import plot_comparison


def compare(settings: Settings, *, plot: Path) -> int:
    """Train a network with each loss from the same weights, in the same order of samples.

    Returns:
        The exit code.
    """
    check_outputs({"--plot": plot})
    experiment = Experiment(settings, LOSSES)
    networks = {loss: experiment.network(loss) for loss in LOSSES}
    print(experiment.describe(networks[LOSSES[0]], " and ".join(LOSSES)))
    code = SUCCESS
    for loss, network in networks.items():
        print(f"\n{loss}", end="")
        trained = experiment.train(network)
        experiment.report(trained)
        code = trained.code or code
        if trained.code == INTERRUPT:
            break
    histories = {loss: network.history for loss, network in networks.items() if network.history}
    if len(histories) == len(LOSSES):
        print(f"\n{wrapped(verdict(histories))}")
    if not histories:
        return code
    return write_all({plot: lambda path: plot_comparison(histories, path)}) or code


def verdict(histories: Mapping[str, History]) -> str:
    """Two trainings as a table of validation accuracies, and which was ahead how often.

    >>> from tinygrad_mlp.history import Record
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
    columns = [
        {record.iteration: record.validation_accuracy or 0.0 for record in history}
        for history in histories.values()
    ]
    rows, ahead = [], {first: 0, second: 0, "-": 0}
    # One of the two may have ended early, at an iteration that the other was not evaluated at.
    for iteration in sorted(columns[0].keys() & columns[1].keys()):
        one, other = (column[iteration] for column in columns)
        leader = "-" if one == other else first if one > other else second
        ahead[leader] += 1
        rows.append(
            f"{iteration:>9,}  {one:>{len(first)}.4f}  {other:>{len(second)}.4f}  {leader}"
        )
    return "\n".join([
        "Validation accuracy at equal iterations",
        f"iteration  {first}  {second}  ahead",
        *rows,
        f"Times ahead: {second} {ahead[second]}, {first} {ahead[first]}, neither {ahead['-']}.",
    ])  # fmt: skip
