"""Arrays and facts in one safetensors file, which holds arrays and text only.

Nothing in such a file is ever executed, and other frameworks read its arrays. The facts are one
entry of its metadata, as JSON, with a checksum of everything in the file.
"""

from __future__ import annotations

import json
import math
import os
import platform
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_mlp.errors import DataError, DataNotFoundError, DTypeError, InvalidArgumentError
from tinygrad_mlp.support.files import atomic_path

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT = "tinygrad_mlp"
CHECKSUM = "checksum"


def versions() -> dict[str, str]:
    """What wrote a file: the versions of this package, of NumPy and of Python."""
    from tinygrad_mlp.support.version import __version__

    return {
        "tinygrad_mlp": __version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def write(
    path: str | os.PathLike[str],
    arrays: Mapping[str, NDArray[Any]],
    facts: Mapping[str, Any],
    who: str,
) -> None:
    """Write a file, whole or not at all.

    Args:
        path: where to.
        arrays: by name.
        facts: by name, anything that JSON can express; format and versions are added.
        who: begins the messages of errors.

    Raises:
        InvalidArgumentError: the facts cannot be expressed in JSON.
        DTypeError: an array of a precision that the format does not have.
        DataNotFoundError: the folder does not exist.
    """
    from safetensors.numpy import save_file

    # The format stores memory as it lies, so a transposed view would come back scrambled.
    arrays = {
        name: np.asarray(array, array.dtype.newbyteorder("<"), order="C")
        for name, array in arrays.items()
    }
    for name, array in arrays.items():
        if array.dtype.kind not in "fiub" or array.itemsize > 8:
            raise DTypeError(
                f"{who}: '{name}' is of {array.dtype}, which a safetensors file cannot hold. "
                f"Convert it to float64 first."
            )
    facts = {"format": FORMAT, "versions": versions(), **facts}
    try:
        text = json.dumps(facts)
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(
            f"{who}: metadata must be expressible in JSON: {error}"
        ) from None
    # One entry: the format keeps entries in no order, and equal content makes equal files.
    described = {FORMAT: json.dumps({**facts, CHECKSUM: _checksum(arrays, text)})}
    with atomic_path(path) as temporary:
        save_file(arrays, temporary, described)


def read(path: str | os.PathLike[str]) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The arrays and the facts (metadata) of a file.

    Raises:
        DataNotFoundError: there is no such file.
        DataError: it is damaged, or not in the safetensors format.
    """
    from safetensors import SafetensorError, safe_open

    name = os.fspath(path)
    if not os.path.isfile(name):
        found = "this is a folder" if os.path.isdir(name) else "there is no such file"
        raise DataNotFoundError(f"{name}: {found}. Name a file that tg.save has written.")
    arrays = {}
    try:
        with safe_open(name, framework="numpy") as file:
            metadata = file.metadata() or {}
            for key in file.keys():
                arrays[key] = array = file.get_tensor(key)
                if array.dtype.kind not in "fiub":  # bfloat16, where ml_dtypes has been loaded
                    raise TypeError(f"'{key}' of {array.dtype}, which is no type of NumPy's own")
    # The last three: data types that NumPy does not have.
    except (SafetensorError, OSError, TypeError, AttributeError, KeyError) as error:
        raise DataError(
            f"{name}: expected a file in the safetensors format; found {error}. Save it again."
        ) from error
    if FORMAT not in metadata:
        return arrays, dict(metadata)  # another program's
    facts = _facts(metadata[FORMAT])
    if facts is None:
        raise DataError(f"{name}: the metadata are damaged. Save it again.")
    checksum = facts.pop(CHECKSUM, None)
    if checksum is not None and checksum != _checksum(arrays, json.dumps(facts)):
        raise DataError(
            f"{name}: expected what was saved; found other content, whose checksum differs. The "
            f"file is damaged, or was changed by another program. Save it again."
        )
    return arrays, facts


def _facts(text: str) -> dict[str, Any] | None:
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return facts if isinstance(facts, dict) else None


def _checksum(arrays: Mapping[str, NDArray[Any]], text: str) -> str:
    value = zlib.crc32(text.encode())
    for name in sorted(arrays):
        value = zlib.crc32(f"{name} {fingerprint(arrays[name])}".encode(), value)
    return f"{value:08x}"


def fingerprint(array: NDArray[Any]) -> str:
    """Dtype, shape and a checksum (CRC-32) of the bits of an array, as text.

    It is made to notice accidents, not deceit; it costs a third of a second for a gigabyte.

    >>> fingerprint(np.zeros((2, 3)))
    'float64 (2, 3) f288b395'
    """
    value = 0
    for start in range(0, len(array) if array.ndim else 1, 4096):  # copies of parts, if any
        part = array[start : start + 4096] if array.ndim else array
        little = np.asarray(part, part.dtype.newbyteorder("<"), order="C")
        value = zlib.crc32(little.reshape(-1).view(np.uint8).data, value)
    return f"{array.dtype.name} {array.shape} {value:08x}"


# -- trees of arrays and plain values ----------------------------------------------------------


def packed(tree: Any, name: str, arrays: dict[str, NDArray[Any]]) -> Any:
    """Nested values in a form that JSON can hold; the arrays among them go into `arrays`.

    Args:
        tree: None, text, numbers and arrays, in dicts, lists and tuples.
        name: of the tree, from which the names of its arrays begin.
        arrays: where the arrays are put.

    Returns:
        What `unpacked` takes.

    Raises:
        InvalidArgumentError: something else is in it; names the place.

    >>> arrays = {}
    >>> packed({"best": math.nan, "weights": {"b": np.zeros(2)}, "n": (1, 2)}, "mine", arrays)
    {'best': {'$number': 'nan'}, 'weights': {'b': {'$array': 'mine.weights.b'}}, \
'n': {'$tuple': [1, 2]}}
    >>> list(arrays)
    ['mine.weights.b']
    """
    if tree is None or isinstance(tree, (str, bool, int)):
        return tree
    if isinstance(tree, (np.ndarray, np.generic)):
        array = np.asarray(tree)
        while name in arrays:  # {"a": {"b": …}, "a.b": …}
            name += "_"
        arrays[name] = array
        axes = _axes_in_memory(array)
        return {"$array": name} if axes is None else {"$array": name, "axes": axes}
    if isinstance(tree, float):
        return tree if math.isfinite(tree) else {"$number": repr(tree)}
    if isinstance(tree, (list, tuple)):
        items = [packed(item, f"{name}.{i}", arrays) for i, item in enumerate(tree)]
        return items if isinstance(tree, list) else {"$tuple": items}
    if isinstance(tree, Mapping):
        pairs = [(key, packed(value, f"{name}.{key}", arrays)) for key, value in tree.items()]
        if all(isinstance(key, str) and not key.startswith("$") for key in tree):
            return dict(pairs)
        return {"$dict": [[packed(key, name, {}), value] for key, value in pairs]}
    raise InvalidArgumentError(
        f"'{name}' must be made of arrays, numbers, text, None, dicts, lists and tuples. Got "
        f"{type(tree).__name__}."
    )


def unpacked(tree: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    """What was `packed`, with its arrays from `arrays`, lying in memory as they did.

    Raises:
        KeyError, TypeError, ValueError: this is nothing that was packed.
    """
    if isinstance(tree, list):
        return [unpacked(item, arrays) for item in tree]
    if not isinstance(tree, dict):
        return tree
    if "$array" in tree:
        array = arrays[tree["$array"]]
        if "axes" not in tree:
            return array
        axes = tree["axes"]
        return np.ascontiguousarray(array.transpose(axes)).transpose(np.argsort(axes))
    if "$number" in tree:
        return float(tree["$number"])
    if "$tuple" in tree:
        return tuple(unpacked(tree["$tuple"], arrays))
    if "$dict" in tree:
        return {unpacked(key, arrays): unpacked(value, arrays) for key, value in tree["$dict"]}
    return {key: unpacked(value, arrays) for key, value in tree.items()}


def _axes_in_memory(array: NDArray[Any]) -> list[int] | None:
    """The axes in the order in which they lie in memory; None for NumPy's usual order.

    Products round differently for arrays that lie otherwise, so it is part of the bits.
    """
    if array.flags.c_contiguous:
        return None
    axes = sorted(range(array.ndim), key=lambda axis: -array.strides[axis])
    return axes if array.transpose(axes).flags.c_contiguous else None
