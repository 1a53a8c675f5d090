"""``tinygrad-mlp train``: one network, with the files asked for."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from tinygrad_mlp.cli import process
from tinygrad_mlp.cli.experiment import Experiment
from tinygrad_mlp.cli.image import typical_size
from tinygrad_mlp.cli.options import Settings
from tinygrad_mlp.cli.outputs import (
    FAILURE,
    MISTAKE,
    check_distinct,
    check_outputs,
    make_folder,
    write_all,
)
from tinygrad_mlp.cli.report import files_of, write_run
from tinygrad_mlp.cli.report import write as write_report
from tinygrad_mlp.cli.running import Outcome
from tinygrad_mlp.errors import TinygradError
from tinygrad_mlp.parallel import Ranks
from tinygrad_mlp.parallel import mpi as find_ranks
from tinygrad_mlp.parallel.ranks import ALONE
from tinygrad_mlp.reporting import check_ending
from tinygrad_mlp.saving import model as model_file
from tinygrad_mlp.training.checkpoint import Checkpoint


def train(settings: Settings, loss: str, *, save: Path | None, plot: Path | None,
          history: Path | None, checkpoint_file: Path | None, report: Path | None,
          run: Path | None, mpi: bool) -> Outcome:
    """Train a network, print its evaluations, and write the files asked for.

    They are also written after Ctrl-C, and after a divergence, except for the model. With `mpi`,
    one process of several does so.
    """
    ranks = find_ranks() if mpi else ALONE
    if ranks.rank > 0:
        return _train_along(settings, loss, ranks)
    with ranks.agreement("train"):
        _check_files({"--save": save, "--plot": plot, "--history": history,
                      "--checkpoint": checkpoint_file, "--report": report}, run)
        experiment = Experiment(settings, [loss], ranks)
        network = experiment.network(loss)
    print(experiment.summary(network, loss))
    facts = None if save is None and run is None else model_metadata(experiment)
    checkpoint = None if checkpoint_file is None else Checkpoint(checkpoint_file, 10, "second")
    ended, training = experiment.train(network, checkpoint)
    diverged = ended == FAILURE
    if save is not None and diverged:
        print(f"The model is not saved to {save}, since training diverged.")
    metadata = None if diverged else facts

    writers: dict[Path, Callable[[Path], object]] = {}  # what took longest to make comes first
    if save is not None and not diverged:
        writers[save] = lambda path: model_file.save(path, network, metadata=metadata)
    if run is not None:
        writers[run] = lambda path: write_run(path, experiment, network, metadata)
    if history is not None:
        writers[history] = network.history.to_csv
    if plot is not None and len(network.history):
        writers[plot] = network.history.plot
    if report is not None:
        writers[report] = lambda path: write_report(path, experiment, network)
    code, files = write_all(writers)
    if checkpoint is not None and checkpoint.error is not None:
        code = code or FAILURE  # of which a warning has told
    return Outcome(code or ended, {
        "loss": loss, **experiment.document(network), **training, "files": files})


def _check_files(outputs: dict[str, Path | None], run: Path | None) -> None:
    """Raise an error unless all files can be written, those of the folder `run` among them."""
    check_distinct(outputs if run is None else {**outputs, **files_of(run)})
    check_outputs(outputs)
    if outputs["--report"] is not None:
        check_ending(outputs["--report"], "--report")
    if run is not None:
        make_folder(run, "--run")
        check_outputs(files_of(run))


def _train_along(settings: Settings, loss: str, ranks: Ranks) -> Outcome:
    """Train as one rank of several but the first, which prints and writes everything."""
    process.State.on_signal = "raise"  # so that all ranks end together, and files are written
    with (open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere),
          contextlib.redirect_stderr(nowhere)):
        try:
            with ranks.agreement("train"):
                experiment = Experiment(settings, [loss], ranks)
                network = experiment.network(loss)
            code, _ = experiment.train(network)
        except TinygradError:
            code = MISTAKE
    return Outcome(code, None)


def model_metadata(experiment: Experiment) -> dict[str, object]:
    """Return what `predict` must know of the images that a model was trained on."""
    dataset, X = experiment.dataset, experiment.dataset.X
    return {"dataset": dataset.name, "image_shape": list(dataset.image_shape),
            "pixel_range": [float(X.min()), float(X.max())], "digit_size": typical_size(X)}
