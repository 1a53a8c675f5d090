"""The gradients that a person's function returned, under the names of the parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.errors import DTypeError, InvalidArgumentError, refuse_more_than_numbers
from tinygrad_mlp.verify.derivations.arguments import WHO
from tinygrad_mlp.verify.reading.names import gradient_of, named
from tinygrad_mlp.verify.reading.returned import plain_array, without_loss

EXTRAS = frozenset(["loss", "cost", "cache", "L", "J", "value", "out", "output"])
"""Names of what people return besides gradients."""


class Answer(NamedTuple):
    """What a person's function returned.

    Attributes:
        gradients: the arrays by parameter name.
        others: arrays under other names, which may be quantities of the loss.
        ignored: the names of what is no gradient and no quantity.
        reshaped: the shapes that gradients had, which were read in those of the parameters.
        read: the keys of gradients by parameter name.
    """

    gradients: dict[str, Array]
    others: dict[str, Array]
    ignored: list[str]
    reshaped: Mapping[str, tuple[int, ...]] = MappingProxyType({})
    read: Mapping[str, str] = MappingProxyType({})

    @property
    def readings(self) -> list[str]:
        """How gradients were read, in a sentence; none where there was no choice."""
        if all(name == key for name, key in self.read.items()) and not self.reshaped:
            return []
        parts = [f"{name} from {self.read.get(name, name)}" + (
            f", of shape {self.reshaped[name]}" if name in self.reshaped else "")
            for name in self.gradients]
        return [f"Gradients were read as follows: {', '.join(parts)}."]


def read_answer(found: object, names: Sequence[str], said: Sequence[str] = ()) -> Answer:
    """Return the gradients by parameter name; `names` lists the parameters in order.

    `said` has the texts of what was returned, if they are known: they count for more than the
    order.

    Raises:
        InvalidArgumentError: they are no mapping, tuple, list, or (of one parameter) array; a
            sequence has another length; or one gradient is given twice.
        DTypeError: a gradient is not an array of numbers.
    """
    found = in_own_names(found, names, said)
    if isinstance(found, Mapping):
        if not found:
            raise _unreadable(found, names)
        return _from_mapping(found, names)
    if len(names) == 1 and not (isinstance(found, (tuple, list)) and len(found) == 1):
        if found is not None and not isinstance(found, str):
            return Answer({names[0]: _numbers(found, names[0])}, {}, [])
    if not isinstance(found, (tuple, list)):
        raise _unreadable(found, names)
    if len(found) != len(names):
        raise InvalidArgumentError(
            f"{WHO}: derived must give a gradient for each of {', '.join(names)}, in this order. "
            f"Got {len(found)} of them. Return a dict of gradients by parameter name to give some.")
    gradients = {name: _numbers(value, name) for name, value in zip(names, found, strict=True)}
    return Answer(gradients, {}, [])


def in_own_names(found: Any, names: Sequence[str], said: Sequence[str]) -> Any:
    """Return gradients without the loss, as a dict where the texts `said` tell another order."""
    found = without_loss(found)
    meant = [named(text, names) for text in said]
    several = isinstance(found, (tuple, list)) and len(found) == len(said)
    if several and set(meant) == set(names) and meant != list(names):
        return dict(zip(said, found, strict=True))
    return found


def _unreadable(found: object, names: Sequence[str]) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"{WHO}: derived must give a dict of gradients by parameter name "
        f"({', '.join(names)}), or a tuple of them in this order. Got {found!r}.")


def _from_mapping(found: Mapping[object, object], names: Sequence[str]) -> Answer:
    """Return the gradients of a mapping whose keys may be spelt in several ways."""
    keys: dict[str, str] = {}
    gradients, others, ignored = {}, {}, []
    for given, value in found.items():
        key = str(given)
        name = key if key in names else gradient_of(key, names)
        refuse_more_than_numbers(value, f"{WHO}: derived[{key!r}]")
        if name is None:
            if key in EXTRAS or _no_numbers(value):
                ignored.append(key)
            else:
                others[key] = _numbers(value, key)
            continue
        if name in gradients:
            raise InvalidArgumentError(
                f"{WHO}: derived must give the gradient of {name} once. Got it as {keys[name]!r} "
                f"and as {key!r}. Leave one out.")
        keys[name] = key
        gradients[name] = _numbers(value, key)
    return Answer(gradients, others, ignored, read=keys)


def _no_numbers(value: object) -> bool:
    """Return whether something is a cache, a text or nothing, and so no array that was meant."""
    if value is None or isinstance(value, (str, Mapping)):
        return True
    try:
        return plain_array(value).dtype.kind not in "fiuSU"
    except (ValueError, TypeError):
        return True


def _numbers(value: object, key: str) -> Array:
    """Return a gradient as an array of floating-point numbers."""
    refuse_more_than_numbers(value, f"{WHO}: derived[{key!r}]")
    try:
        array = plain_array(value)
    except (ValueError, TypeError) as error:
        raise DTypeError(
            f"{WHO}: derived[{key!r}] must be an array of numbers. Got {type(value).__name__} that "
            f"NumPy cannot convert: {error}.") from error
    if array.dtype.kind not in "fiu":
        raise DTypeError(
            f"{WHO}: derived[{key!r}] must be an array of numbers. Got dtype {array.dtype}.")
    return array if array.dtype.kind == "f" else array.astype(float)
