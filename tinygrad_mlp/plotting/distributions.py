"""Histograms of activations and gradients, layer by layer, epoch by epoch."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.plotting.figures import label_axes, new_figure, save_figure
from tinygrad_mlp.support.checks import one_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BINS = 48
TAIL = 0.02  # share of the numbers at either end that may lie beyond the edge of the picture

Y_LABELS = {"activations": "Output of the layer", "gradients": "log₁₀ |∂L/∂v|"}


class LayerArrays(Protocol):
    """The arrays of a run's layers, as `tg.callbacks.Distributions` collects them."""

    epochs: list[int]
    activations: dict[str, list[Array]]
    gradients: dict[str, list[Array]]
    with_parameters: set[str]


def plot_distributions(runs: LayerArrays | Mapping[str, LayerArrays], what: str = "gradients",
                       layers: Sequence[str] | None = None,
                       path: str | os.PathLike[str] | None = None) -> Figure:
    """Draw histograms of activations or gradients: a panel a layer, a column an epoch.

    The darker a cell, the larger the share of the numbers in it; the line is the median. Gradients
    are drawn by the logarithm of their size, on one scale for all panels: a layer that has stopped
    learning lies low. The lowest row, below the dotted line, is for gradients that are 0.

    Args:
        runs: a `tg.callbacks.Distributions` after training; or several by name, which become the
            rows of the picture.
        what: "gradients", ``∂L/∂v`` of the layers' outputs v; or "activations", the outputs.
        layers: the layers' names; by default for gradients those with parameters, whose v are the
            pre-activations z, and for activations those without.
        path: also save the picture there, in the format of its ending.

    Raises:
        InvalidArgumentError: nothing was collected, a layer is unknown, or matplotlib does not
            know the ending.
        DataNotFoundError: the folder does not exist.
        WriteError: the file cannot be written, as on a full disk; an old one remains.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> X = np.linspace(-1, 1, 20)[:, None]
    >>> model = tg.nn.Linear(1, 1, rng=np.random.default_rng(0))
    >>> sgd = tg.optim.SGD(model.parameters(), lr=0.1)
    >>> seen = tg.callbacks.Distributions(tg.nn.squared_error, X, 2 * X)
    >>> history = tg.fit(model, tg.nn.squared_error, sgd, X, 2 * X, epochs=2,
    ...                  rng=np.random.default_rng(0), callbacks=[seen])
    >>> plot_distributions(seen).axes[0].get_xlabel()
    'Epochs trained'
    """
    one_of(what, tuple(Y_LABELS), "plot_distributions: what")
    named = runs if isinstance(runs, Mapping) else {"": runs}
    found = {name: getattr(run, what) for name, run in named.items()}
    if not found or not all(found.values()):
        raise InvalidArgumentError(
            f"plot_distributions: runs must have collected {what}. Got none. Pass the callback to "
            f"fit(callbacks=[...]) first.")
    first, chosen = next(iter(named.values())), layers
    gradients = what == "gradients"
    if chosen is None:
        known = getattr(first, what)
        chosen = [n for n in known if (n in first.with_parameters) == gradients] or list(known)
    for name in chosen:
        for arrays in found.values():
            one_of(name, tuple(arrays), "plot_distributions: layers")
    columns = min(len(chosen), 4) if len(named) == 1 else len(chosen)
    figure, panels = new_figure(len(named) * len(chosen), columns=columns, size=(3.3, 2.9))
    shown = {
        (run, layer): [_logarithms(a) if gradients else a for a in found[run][layer]]
        for run in named for layer in chosen}
    images = []
    for axes, ((run, layer), arrays) in zip(panels, shown.items(), strict=True):
        # Gradients of all layers on one scale; outputs of one layer in all runs.
        alike = [a for (_, name), a in shown.items() if gradients or name == layer]
        low, high = _range([array for one in alike for array in one])
        images.append(_draw(axes, named[run].epochs, arrays, low, high, gradients))
        label_axes(axes, f"{run}: {layer}" if run else layer, Y_LABELS[what], "Epochs trained")
        axes.grid(visible=False)
        axes.locator_params(axis="x", nbins=6, integer=True, min_n_ticks=1)
    from matplotlib.colors import PowerNorm
    most = max(float(image.get_array().max()) for image in images)
    for image in images:
        image.set_norm(PowerNorm(0.5, 0, most))  # a root, so that thin tails are visible
    figure.colorbar(images[0], ax=panels, label="Share of the layer's numbers")
    return save_figure(figure, path)


def _logarithms(array: Array) -> Array:
    """Return ``log₁₀ |g|``: −∞ for a gradient that is 0."""
    with np.errstate(divide="ignore"):
        logs: Array = np.log10(np.abs(array.astype(np.float64)))
    return logs


def _range(arrays: Sequence[Array]) -> tuple[float, float]:
    """Return an interval that holds all numbers but the outermost."""
    everything = np.concatenate(arrays)
    finite = everything[np.isfinite(everything)]
    if not finite.size:
        return -1.0, 1.0
    low, high = (float(q) for q in np.quantile(finite, (TAIL, 1 - TAIL)))
    margin = 0.05 * (high - low) or 0.5
    return low - margin, high + margin


def _draw(axes: Axes, epochs: Sequence[int], arrays: Sequence[Array], low: float, high: float,
          zeros: bool) -> Any:
    """Draw a column of shares for each epoch, and the median; return the image."""
    edges = np.linspace(low, high, BINS + 1)
    shares = np.zeros((BINS, len(arrays)))
    for i, array in enumerate(arrays):
        inside = np.clip(array[np.isfinite(array)], low, high)
        shares[:, i] = np.histogram(inside, edges)[0] / max(array.size, 1)
    rows, medians = list(edges), [float(np.median(array)) for array in arrays]
    if zeros:  # a row of their own, with a gap above it
        height = 2 * (edges[1] - edges[0])
        rows = [low - 2 * height, low - height, *edges]
        none = [float((array == -np.inf).mean()) for array in arrays]
        shares = np.vstack([none, np.zeros(len(arrays)), shares])
        axes.axhline(low, color="#767676", linewidth=0.8, linestyle=":")
        medians = [max(median, low - 1.5 * height) for median in medians]
    columns = [epoch - 0.5 for epoch in epochs] + [epochs[-1] + 0.5]
    image = axes.pcolormesh(columns, rows, shares, cmap="Blues", rasterized=True)
    axes.plot(epochs, medians, color="black", marker="o", markersize=2.5, linewidth=1)
    axes.set_ylim(rows[0], rows[-1])
    if zeros:
        ticks = [tick for tick in axes.get_yticks() if tick % 1 == 0 and low < tick < high]
        names = [f"{tick:.0f}".replace("-", "−") for tick in ticks]
        axes.set_yticks([low - 1.5 * height, *ticks], ["g = 0", *names])
    return image
