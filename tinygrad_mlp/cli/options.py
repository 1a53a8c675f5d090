"""The options that several commands have, with the checks of their values."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from tinygrad_mlp.cli.defaults import (
    ACTIVATIONS,
    DATASETS,
    EPOCHS,
    EPOCHS_OF,
    LOSSES,
    OPTIMIZERS,
    RATE_OF_ADAPTIVE,
)


def name_among(names: Iterable[str]) -> Callable[[str], str]:
    """A check that an option is one of some names."""
    known = list(names)

    def check(value: str) -> str:
        if value not in known:
            raise typer.BadParameter(f"{value!r} is not one of {', '.join(known)}.")
        return value

    return check


def dataset_name(value: str) -> str:
    """A check that a data set is one that can be loaded."""
    if value not in DATASETS and not value.lower().endswith(".mat"):
        raise typer.BadParameter(
            f"{value!r} is neither {' nor '.join(DATASETS)} nor a path that ends in .mat."
        )
    return value


def number_above_0(value: float | None) -> float | None:
    """A check that a number, if it is given, is finite and above 0."""
    if value is not None and not 0 < value < math.inf:
        raise typer.BadParameter(f"{value} is not a number above 0.")
    return value


def sizes(values: list[str]) -> list[str]:
    """Check the sizes of hidden layers: whole numbers, several separated by commas."""
    for size in ",".join(values).split(","):
        if not (size.strip().isascii() and size.strip().isdigit() and int(size) > 0):
            raise typer.BadParameter(
                f"{size!r} is not a whole number above 0. For two layers write 300,100."
            )
    return values


def layer_sizes(values: list[str]) -> list[int]:
    """The sizes that the user has written, checked by `sizes`.

    >>> layer_sizes(["300,100", "50"])
    [300, 100, 50]
    """
    return [int(size) for size in ",".join(values).split(",")]


def completed(names: Iterable[str]) -> Callable[[str], list[str]]:
    """What the shell offers for a word that has been begun: the names that go on from there.

    >>> completed(["tanh", "sigmoid", "softplus"])("s")
    ['sigmoid', 'softplus']
    """
    return lambda incomplete: [name for name in names if name.startswith(incomplete)]


def named(option: str, names: Iterable[str], text: str) -> Any:
    """An option whose value is one of some names, which its help lists and the shell completes."""
    return typer.Option(
        option, metavar="NAME", callback=name_among(names), autocompletion=completed(names),
        help=f"{text}: {', '.join(names)}.",
    )  # fmt: skip


HIDDEN = ["256"]

Json = Annotated[bool, typer.Option(
    "--json", help="Print the result as one JSON document; what is shown meanwhile, and errors, "
    "go to standard error.",
)]  # fmt: skip

DatasetName = Annotated[str, typer.Argument(
    metavar="DATASET", show_default=False, callback=dataset_name,
    autocompletion=completed(DATASETS),
    help="digits, 1,797 images of 8x8 that need no download (the default); mnist, "
    "60,000 of 28x28; or a MATLAB file with train_images (h, w, n) and train_labels.",
)]  # fmt: skip
DataDir = Annotated[Path | None, typer.Option(
    metavar="FOLDER",
    help="Where the MNIST files lie; without it they are looked for in the folder named by "
    "TINYGRAD_MLP_DATA and in the cache, and downloaded once.",
)]  # fmt: skip
Hidden = Annotated[list[str], typer.Option(
    metavar="SIZES", callback=sizes,
    help="Neurons of the hidden layers: --hidden 300,100 or --hidden 300 --hidden 100.",
)]  # fmt: skip
LAYERS = ["784,256,10"]
Layers = Annotated[list[str], typer.Option(
    metavar="SIZES", callback=sizes, help="Neurons of all layers, from the input to the output."
)]  # fmt: skip
Loss = Annotated[str, named("--loss", LOSSES, "What is made small")]
HiddenActivation = Annotated[str, named(
    "--hidden-activation", [name for name in ACTIVATIONS if name != "softmax"], "Of hidden layers"
)]  # fmt: skip
OutputActivation = Annotated[str, named(
    "--output-activation", ACTIVATIONS, "Of the outputs; cross_entropy needs sigmoid or softmax"
)]  # fmt: skip
Bias = Annotated[bool, typer.Option("--bias/--no-bias", help="Give the layers biases or not.")]
Sigma = Annotated[float, typer.Option(
    metavar="NUMBER", callback=number_above_0, help="Standard deviation of the initial weights."
)]  # fmt: skip
DType = Annotated[str, named("--dtype", ("float64", "float32"), "Precision of the numbers")]
Epochs = Annotated[int | None, typer.Option(
    min=1, metavar="NUMBER", show_default=False,
    help=f"Passes through the training data. [default: {EPOCHS}; "
    + "; ".join(f"{n} for {name}" for name, n in EPOCHS_OF.items()) + "]",
)]  # fmt: skip
BatchSize = Annotated[int, typer.Option(min=1, metavar="NUMBER", help="Images a step.")]
Rate = Annotated[float | None, typer.Option(
    metavar="NUMBER", show_default=False, callback=number_above_0,
    help="Learning rate. [default: 1/(100 + 10k) in epoch k = 0, 1, ... for sgd; "
    f"{RATE_OF_ADAPTIVE} for the others]",
)]  # fmt: skip
Optimizer = Annotated[str, named("--optimizer", OPTIMIZERS, "How gradients change weights")]
Seed = Annotated[int, typer.Option(
    min=0, metavar="NUMBER", help="Of the shuffle and the initial weights."
)]  # fmt: skip
WholeSet = Annotated[bool, typer.Option(
    "--whole-set", help="Standardise over all images, validation included."
)]  # fmt: skip
MonitorEvery = Annotated[int | None, typer.Option(
    min=1, metavar="NUMBER", show_default=False,
    help="Iterations between evaluations. [default: for about 10 of them, 10000 at most]",
)]  # fmt: skip
