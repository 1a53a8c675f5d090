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
ACTIVATIONS = ("tanh", "sigmoid", "relu", "leaky_relu", "softplus", "gelu", "softmax", "identity")
OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop")

EXERCISES = ("ridge", "logistic", "softmax", "classic", "mlp", "batch_norm", "convolution",
             "recurrent", "lstm", "attention")
"""Derivations to plant a mistake in, from easy to hard."""

DATASETS = ("digits", "mnist")
"""Data sets that have a name; others are files."""

PLAYED = ("spirals", "circles", "digits", "mnist", "vanishing gradient")
"""What the playground knows by name."""

# Two epochs, as in the classic experiment, suit a data set of the size of MNIST. The digits are
# 33 times fewer, and so are the updates of an epoch.
EPOCHS, EPOCHS_OF = 2, {"digits": 30}

# The schedule of the classic experiment is for plain gradient descent; the other optimizers divide
# by the size of the gradient, so that the learning rate is about the size of a step.
RATE_OF_ADAPTIVE = 0.001

LAYERS, HIDDEN = [784, 256, 10], [256]

Result = TypeVar("Result")


def is_dataset(value: str) -> bool:
    """Return whether a word is the name of a data set, or the path of one."""
    return value in DATASETS or (value.lower().endswith(".mat") and "\0" not in value)


def check_dataset(value: str | None) -> str | None:
    """Raise an error unless a data set can be loaded by this name, if one is given."""
    if value is not None and not is_dataset(value):
        raise typer.BadParameter(
            f"{value!r} is neither {' nor '.join(DATASETS)} nor a path that ends in .mat.")
    return value


def check_positive(value: float | None) -> float | None:
    """Raise an error unless a number, if it is given, is finite and above 0."""
    if value is not None and not 0 < value < math.inf:
        raise typer.BadParameter(f"{value} is not a number above 0.")
    return value


def check_path(value: str) -> str:
    """Raise an error unless a word names a file or a folder. As a path, "" is the present one."""
    if not value.strip() or "\0" in value:
        raise typer.BadParameter(f"{value!r} is not a path. Name a file or a folder.")
    return value


def path_of(word: object) -> Path:
    """Return the path that a word names; a default is a path already.

    >>> path_of("model.safetensors").name
    'model.safetensors'
    """
    return Path(check_path(str(word)))


def layer_sizes(word: object) -> list[int]:
    """Return the numbers of a word such as 300,100; a default is a number already.

    >>> layer_sizes("300,100")
    [300, 100]
    """
    numbers = str(word).split(",")
    for number in numbers:
        if not (number.strip().isascii() and number.strip().isdigit() and int(number) > 0):
            raise typer.BadParameter(
                f"{number!r} is not a whole number above 0. For two layers write 300,100.")
    return [int(number) for number in numbers]


def joined(words: list[list[int]]) -> list[int]:
    """Return the sizes of all words in one list: --hidden 300,100 and --hidden 300 --hidden 100."""
    return [size for sizes in words for size in sizes]


def completed(names: Iterable[str]) -> Callable[[str], list[str]]:
    """Return what the shell asks for the names that continue the beginning of a word."""
    return lambda incomplete: [name for name in names if name.startswith(incomplete)]


def choice(option: str, names: Iterable[str], text: str) -> Any:
    """Return an option whose value is one of some names; its help lists them."""
    known = list(names)

    def check(value: str) -> str:
        if value not in known:
            raise typer.BadParameter(f"{value!r} is not one of {', '.join(known)}.")
        return value

    return typer.Option(option, metavar="NAME", callback=check, autocompletion=completed(known),
                        help=f"{text}: {', '.join(known)}.")


def number(text: str, **more: Any) -> Any:
    """Return an option whose value is a number, with a help text."""
    return typer.Option(metavar="NUMBER", help=text, **more)


def file(text: str, metavar: str = "FILE") -> Any:
    """Return an option whose value is a path, with a help text."""
    return typer.Option(metavar=metavar, help=text, parser=path_of)


Json = Annotated[bool, typer.Option(
    "--json",
    help="Print the result as one JSON document; progress and errors go to standard error.")]
DataDir = Annotated[Path | None, file(
    "The folder of the MNIST files. Without it they are looked for in the folder named by "
    "TINYGRAD_MLP_DATA and in the cache, and downloaded once.", "FOLDER")]
Layers = Annotated[list[int], typer.Option(
    metavar="SIZES", parser=layer_sizes, callback=joined, show_default=False,
    help="Neurons of all layers, from the input to the output. [default: 784,256,10]")]
Loss = Annotated[str, choice("--loss", LOSSES, "The loss to minimise")]
HiddenActivation = Annotated[str, choice(
    "--hidden-activation", [name for name in ACTIVATIONS if name != "softmax"],
    "Activation of the hidden layers")]
OutputActivation = Annotated[str, choice(
    "--output-activation", ACTIVATIONS,
    "Activation of the outputs; cross_entropy needs sigmoid or softmax")]
Bias = Annotated[bool, typer.Option("--bias/--no-bias", help="Whether the layers have biases.")]


class Settings(NamedTuple):
    """The options of the commands that train, with their defaults; None: chosen by the data."""

    dataset: Annotated[str, typer.Argument(
        metavar="DATASET", show_default=False, callback=check_dataset,
        autocompletion=completed(DATASETS),
        help="digits, 1,797 images of 8x8 that need no download (the default); mnist, "
        "60,000 of 28x28; or a MATLAB file with train_images (h, w, n) and train_labels.",
    )] = "digits"
    hidden: Annotated[list[int], typer.Option(
        metavar="SIZES", parser=layer_sizes, callback=joined,
        help="Neurons of the hidden layers: --hidden 300,100 or --hidden 300 --hidden 100.",
    )] = HIDDEN
    epochs: Annotated[int | None, number(
        f"Passes through the training data. [default: {EPOCHS}; "
        + "; ".join(f"{n} for {name}" for name, n in EPOCHS_OF.items()) + "]",
        min=1, show_default=False)] = None
    batch_size: Annotated[int, number("Images a step.", min=1)] = 1
    lr: Annotated[float | None, number(
        "Learning rate. [default: 1/(100 + 10k) in epoch k = 0, 1, ... for sgd; "
        f"{RATE_OF_ADAPTIVE} for the others]", show_default=False, callback=check_positive)] = None
    optimizer: Annotated[str, choice("--optimizer", OPTIMIZERS, "The optimizer")] = "sgd"
    hidden_activation: HiddenActivation = "tanh"
    output_activation: OutputActivation = "sigmoid"
    bias: Bias = False
    sigma: Annotated[float, number(
        "Standard deviation of the initial weights.", callback=check_positive)] = 0.01
    dtype: Annotated[str, choice(
        "--dtype", ("float64", "float32"), "Precision of the numbers")] = "float64"
    seed: Annotated[int, number("Seed of the shuffle and of the initial weights.", min=0)] = 0
    whole_set: Annotated[bool, typer.Option(
        "--whole-set", help="Standardise over all images, validation included.")] = False
    data_dir: DataDir = None
    monitor_every: Annotated[int | None, number(
        "Iterations between evaluations. [default: for about 10 of them, 10000 at most]", min=1,
        show_default=False)] = None


def with_settings(command: Callable[..., Result]) -> Callable[..., Result]:
    """Give a command every option of `Settings` in place of its parameter `settings`.

    typer reads a command's options from its signature, so the signature is what changes.
    """
    hints = get_type_hints(Settings, include_extras=True)
    kind = inspect.Parameter.KEYWORD_ONLY
    options = [inspect.Parameter(name, kind, annotation=hints[name], default=default)
               for name, default in Settings._field_defaults.items()]
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
