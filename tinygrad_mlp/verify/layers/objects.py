"""Layer objects: their parameters, and where they keep the gradients of these."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import FunctionType
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.verify.reading.names import canonical, gradient_of, named
from tinygrad_mlp.verify.reading.places import Place, distinct, places, with_values

FORWARD = ("forward", "forward_pass", "__call__")
BACKWARD = ("backward", "backward_pass", "backprop")
HOLDERS = frozenset(["grads", "grad", "gradients", "gradient", "dparams", "nablas", "deltas"])
"""Names of dicts and lists of gradients."""

OF_PARAMETER = frozenset(["grad", "gradient", "diff", "g", "d"])
"""Names of the gradient in an object that holds one parameter."""

METHODS = ("get_grads", "get_gradients", "gradients", "grads", "get_params_grads")
PARAMETERS = ("get_params", "get_parameters", "parameters", "params", "get_weights")
RESETS = ("zero_grad", "zero_grads", "reset_gradients", "zero_gradients")
NO_PARAMETERS = ("running", "moving", "input", "output", "cache", "mask", "last")

Paths = dict[tuple[Any, ...], Array]


def method_of(layer: object, names: Iterable[str], who: str) -> Callable[..., object]:
    """Return the function of the layer's class that has one of the names.

    Raises:
        InvalidArgumentError: it has none of them.
    """
    for name in names:
        found = getattr(type(layer), name, None)
        if isinstance(found, FunctionType):
            return found
    raise InvalidArgumentError(
        f"{who}: a layer must have the methods forward(x) and backward(dout). Got "
        f"{type(layer).__name__} without {next(iter(names))}. Give two functions instead: "
        f"check_layer(forward, backward, x, …).")


def arrays_of(layer: object) -> Paths:
    """Return the arrays that a layer holds, by the keys that lead to them."""
    return {place.path: place.array for place in places(layer)}


def gradients_of(layer: object, before: Mapping[str, Sequence[tuple[object, ...]]]) -> dict[
        str, tuple[Array, str]]:
    """Return the gradients that a layer holds after its backward pass, by parameter name.

    Each comes with the place where it was found. `before` has the paths of each parameter.
    """
    after = arrays_of(layer)
    by_holder: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
    for path in after:
        by_holder.setdefault(path[:-1], []).append(path)
    found = {}
    for name, paths in before.items():
        at = _gradient_paths(paths, by_holder)
        shares = _distinct_shares(at, after)
        if shares:
            total = np.array(sum(share.array for share in shares))
            found[name] = total, " + ".join(share.label for share in shares)
    return found or _by_methods(layer, before)


def _distinct_shares(at: Sequence[tuple[object, ...]], after: Paths) -> list[Place]:
    """Return the gradients at some paths, each once, without copies that a model keeps as well."""
    shares: list[Place] = []
    for path in dict.fromkeys(at):
        array = after[path]
        known = any(array is other.array or (
            other.path[:-1] != path[:-1] and np.array_equal(array, other.array))
            for other in shares)
        if not known:
            shares.append(Place(path, array))
    return shares


def _gradient_paths(paths: Sequence[tuple[object, ...]],
                    by_holder: Mapping[tuple[object, ...], list[tuple[object, ...]]]) -> list[
                        tuple[object, ...]]:
    """Return where the gradient of an array is; of a shared one, where each of its shares is."""
    found = []
    for path in paths:
        holder, key = path[:-1], path[-1]
        beside = [each for each in by_holder.get(holder, ())
                  if isinstance(each[-1], str) and each not in paths and (
                      gradient_of(each[-1], [str(key)]) or (
                          key in ("value", "data", "val") and each[-1] in OF_PARAMETER))]
        found += beside[:1]
    if found:
        return found
    for path in paths:
        for at in _collections(path, by_holder):
            fitting = [each for each in by_holder[at] if each[-1] == path[-1] or (
                isinstance(path[-1], str) and named(str(each[-1]), [path[-1]]))]
            found += fitting[:1]
    return found


def _collections(path: tuple[object, ...],
                 by_holder: Mapping[tuple[object, ...], object]) -> list[tuple[object, ...]]:
    """Return the dicts and lists of gradients beside the holder of a path, and in it."""
    holder = path[:-1]
    beside = [at for at in by_holder
              if at and holder and at[:-1] == holder[:-1] and at != holder
              and isinstance(at[-1], str) and (
                  at[-1].lower() in HOLDERS or gradient_of(at[-1], [str(holder[-1])]))]
    inside = [at for at in by_holder if at and at[:-1] == holder
              and str(at[-1]).lower() in HOLDERS]
    return [*inside, *beside]


def _by_methods(layer: object, before: Mapping[str, Sequence[tuple[object, ...]]]) -> dict[
        str, tuple[Array, str]]:
    """Return the gradients that a method such as get_grads() gives, in a dict or in order."""
    method = next((m for m in METHODS if callable(getattr(layer, m, None))), None)
    if method is None:
        return {}
    given = getattr(layer, method)()
    if isinstance(given, Mapping):
        pairs = {named(str(key), before): (value, key) for key, value in given.items()}
        return {name: (np.asarray(value), f"{method}()[{key!r}]")
                for name, (value, key) in pairs.items() if name is not None}
    arrays = [place.array for place in places(given)]
    names = _in_order(layer, before)
    if len(arrays) != len(names):
        return {}
    return {name: (array, f"{method}()[{i}]")
            for i, (name, array) in enumerate(zip(names, arrays, strict=True))}


def _in_order(layer: object, before: Mapping[str, Sequence[tuple[object, ...]]]) -> list[str]:
    """Return the parameters in the order in which the layer lists them, if it does."""
    method = next((m for m in PARAMETERS if callable(getattr(layer, m, None))), None)
    if method is None:
        return list(before)
    now = arrays_of(layer)
    ids = {id(now[path]): name for name, paths in before.items() for path in paths if path in now}
    listed = [ids.get(id(place.array)) for place in places(getattr(layer, method)())]
    return [name for name in listed if name is not None]


def candidates(layer: object) -> dict[str, list[Place]]:
    """Return the arrays of a layer that may be parameters, by name."""
    found = [place for place in places(layer) if not any(
        canonical(str(key)) in HOLDERS for key in place.path[:-1])]
    names = {str(place.path[-1]) for place in found}
    kept = [p for p in found
            if gradient_of(str(p.path[-1]), names - {str(p.path[-1])}) is None
            and not str(p.path[-1]).lower().lstrip("_").startswith(NO_PARAMETERS)
            and p.path[-1] not in OF_PARAMETER]
    return distinct(kept)


def reset(layer: object) -> None:
    """Set the gradients of a layer to zero, where it has a method for that."""
    method = next((m for m in RESETS if callable(getattr(layer, m, None))), None)
    if method is not None:
        getattr(layer, method)()


def copied_layer(layer: object, groups: Mapping[str, Sequence[Place]], point: Mapping[str, object],
                 who: str) -> Any:
    """Return a copy of a layer whose parameters have the values of a point."""
    return with_values(layer, {id(group[0].array): point[name]
                               for name, group in groups.items() if name in point}, who)
