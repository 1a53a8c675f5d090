"""The options that several commands share: their names, help, defaults and checks.

The names repeat those of `neural_network`, which a test holds equal. Importing them from there
would double the time that the help and the completion of a word take.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar, get_type_hints

import typer

LOSSES = ("mean_square", "cross_entropy")
ACTIVATIONS = (
    "tanh", "sigmoid", "relu", "leaky_relu", "softplus", "gelu", "softmax", "identity",
)  # fmt: skip
OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop")

DATASETS = ("digits", "mnist")
"""Data sets that have a name; others are files."""

# Two epochs, as in the classic experiment, suit a data set of the size of MNIST. The digits are
# 33 times fewer, and so are the updates of an epoch.
EPOCHS, EPOCHS_OF = 2, {"digits": 30}

# The schedule of the classic experiment is for plain gradient descent; the other optimizers divide
# by the size of the gradient, so that the learning rate is about the size of a step.
RATE_OF_ADAPTIVE = 0.001

LAYERS, HIDDEN = [784, 256, 10], [256]

Result = TypeVar("Result")


# -- checks and completion -----------------------------------------------------------------------


def one_of_names(names: Iterable[str]) -> Callable[[str], str]:
    """Return a check that the value of an option is one of some names."""
    known = list(names)

    def check(value: str) -> str:
        if value not in known:
            raise typer.BadParameter(f"{value!r} is not one of {', '.join(known)}.")
        return value

    return check


def check_dataset(value: str) -> str:
    """Raise an error unless a data set can be loaded by this name."""
    if value not in DATASETS and not value.lower().endswith(".mat"):
        raise typer.BadParameter(
            f"{value!r} is neither {' nor '.join(DATASETS)} nor a path that ends in .mat."
        )
    return value


def check_positive(value: float | None) -> float | None:
    """Raise an error unless a number, if it is given, is finite and above 0."""
    if value is not None and not 0 < value < math.inf:
        raise typer.BadParameter(f"{value} is not a number above 0.")
    return value


def layer_sizes(word: object) -> list[int]:
    """Return the numbers of a word such as 300,100; a default is a number already.

    >>> layer_sizes("300,100")
    [300, 100]
    """
    numbers = str(word).split(",")
    for number in numbers:
        if not (number.strip().isascii() and number.strip().isdigit() and int(number) > 0):
            raise typer.BadParameter(
                f"{number!r} is not a whole number above 0. For two layers write 300,100."
            )
    return [int(number) for number in numbers]


def joined(words: list[list[int]]) -> list[int]:
    """Return the sizes of all words in one list: --hidden 300,100 and --hidden 300 --hidden 100."""
    return [size for sizes in words for size in sizes]


def completed(names: Iterable[str]) -> Callable[[str], list[str]]:
    """Return what the shell asks for the names that continue the beginning of a word.

    >>> completed(["tanh", "sigmoid", "softplus"])("s")
    ['sigmoid', 'softplus']
    """
    return lambda incomplete: [name for name in names if name.startswith(incomplete)]


def choice(option: str, names: Iterable[str], text: str) -> Any:
    """Return an option whose value is one of some names; its help lists them."""
    return typer.Option(
        option, metavar="NAME", callback=one_of_names(names), autocompletion=completed(names),
        help=f"{text}: {', '.join(names)}.",
    )  # fmt: skip


# -- the options ---------------------------------------------------------------------------------

Json = Annotated[bool, typer.Option(
    "--json", help="Print the result as one JSON document; progress and errors go to standard "
    "error.",
)]  # fmt: skip
DatasetName = Annotated[str, typer.Argument(
    metavar="DATASET", show_default=False, callback=check_dataset,
    autocompletion=completed(DATASETS),
    help="digits, 1,797 images of 8x8 that need no download (the default); mnist, "
    "60,000 of 28x28; or a MATLAB file with train_images (h, w, n) and train_labels.",
)]  # fmt: skip
DataDir = Annotated[Path | None, typer.Option(
    metavar="FOLDER",
    help="The folder of the MNIST files. Without it they are looked for in the folder named by "
    "TINYGRAD_MLP_DATA and in the cache, and downloaded once.",
)]  # fmt: skip
Layers = Annotated[list[int], typer.Option(
    metavar="SIZES", parser=layer_sizes, callback=joined,
    show_default=False,
    help="Neurons of all layers, from the input to the output. [default: 784,256,10]",
)]  # fmt: skip
Hidden = Annotated[list[int], typer.Option(
    metavar="SIZES", parser=layer_sizes, callback=joined,
    help="Neurons of the hidden layers: --hidden 300,100 or --hidden 300 --hidden 100.",
)]  # fmt: skip
Loss = Annotated[str, choice("--loss", LOSSES, "The loss to minimise")]
HiddenActivation = Annotated[str, choice(
    "--hidden-activation", [name for name in ACTIVATIONS if name != "softmax"],
    "Activation of the hidden layers",
)]  # fmt: skip
OutputActivation = Annotated[str, choice(
    "--output-activation", ACTIVATIONS,
    "Activation of the outputs; cross_entropy needs sigmoid or softmax",
)]  # fmt: skip
Bias = Annotated[bool, typer.Option("--bias/--no-bias", help="Whether the layers have biases.")]


Epochs = Annotated[int | None, typer.Option(
    min=1, metavar="NUMBER", show_default=False,
    help=f"Passes through the training data. [default: {EPOCHS}; "
    + "; ".join(f"{n} for {name}" for name, n in EPOCHS_OF.items()) + "]",
)]  # fmt: skip
BatchSize = Annotated[int, typer.Option(min=1, metavar="NUMBER", help="Images a step.")]
Rate = Annotated[float | None, typer.Option(
    metavar="NUMBER", show_default=False, callback=check_positive,
    help="Learning rate. [default: 1/(100 + 10k) in epoch k = 0, 1, ... for sgd; "
    f"{RATE_OF_ADAPTIVE} for the others]",
)]  # fmt: skip
OptimizerName = Annotated[str, choice("--optimizer", OPTIMIZERS, "The optimizer")]
Sigma = Annotated[float, typer.Option(
    metavar="NUMBER", callback=check_positive, help="Standard deviation of the initial weights."
)]  # fmt: skip
DType = Annotated[str, choice("--dtype", ("float64", "float32"), "Precision of the numbers")]
Seed = Annotated[int, typer.Option(
    min=0, metavar="NUMBER", help="Seed of the shuffle and of the initial weights."
)]  # fmt: skip
WholeSet = Annotated[bool, typer.Option(
    "--whole-set", help="Standardise over all images, validation included."
)]  # fmt: skip
MonitorEvery = Annotated[int | None, typer.Option(
    min=1, metavar="NUMBER", show_default=False,
    help="Iterations between evaluations. [default: for about 10 of them, 10000 at most]",
)]  # fmt: skip


class Settings(NamedTuple):
    """The options of the commands that train, with their defaults; None: chosen by the data."""

    dataset: DatasetName = "digits"
    hidden: Hidden = HIDDEN
    epochs: Epochs = None
    batch_size: BatchSize = 1
    lr: Rate = None
    optimizer: OptimizerName = "sgd"
    hidden_activation: HiddenActivation = "tanh"
    output_activation: OutputActivation = "sigmoid"
    bias: Bias = False
    sigma: Sigma = 0.01
    dtype: DType = "float64"
    seed: Seed = 0
    whole_set: WholeSet = False
    data_dir: DataDir = None
    monitor_every: MonitorEvery = None


def with_settings(command: Callable[..., Result]) -> Callable[..., Result]:
    """Give a command every option of `Settings` in place of its parameter `settings`.

    typer reads a command's options from its signature, so the signature is what changes.
    """
    hints = get_type_hints(Settings, include_extras=True)
    options = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, annotation=hints[name],
            default=Settings._field_defaults[name],
        )
        for name in Settings._fields
    ]  # fmt: skip
    signature = inspect.signature(command, eval_str=True)
    expanded: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        expanded += options if parameter.name == "settings" else [parameter]

    @functools.wraps(command)
    def run(**values: Any) -> Result:
        settings = Settings(**{name: values.pop(name) for name in Settings._fields})
        return command(settings=settings, **values)

    run.__signature__ = signature.replace(parameters=expanded)  # type: ignore[attr-defined]
    return run
