"""Files in the safetensors format, which hold arrays and metadata.

Nothing in such a file is ever executed, and other frameworks read its arrays. The metadata are
JSON in one entry of the file's own, with a checksum of all its content.
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
from tinygrad_mlp.support.file_kinds import kind_of
from tinygrad_mlp.support.files import write_file
from tinygrad_mlp.support.version import __version__

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT = "tinygrad_mlp"
CHECKSUM = "checksum"


def write(path: str | os.PathLike[str], arrays: Mapping[str, NDArray[np.generic]],
          metadata: Mapping[str, object], who: str) -> None:
    """Write arrays and metadata to a file, completely or not at all.

    The metadata are values that JSON can express; format and versions are added. Messages of errors
    begin with `who`.
    """
    from safetensors.numpy import save

    # The format stores memory as it is, so a transposed view would be read back scrambled.
    arrays = {name: np.asarray(array, array.dtype.newbyteorder("<"), order="C")
              for name, array in arrays.items()}
    for name, array in arrays.items():
        if array.dtype.kind not in "fiub" or array.itemsize > 8:
            raise DTypeError(
                f"{who}: '{name}' has dtype {array.dtype}, which a safetensors file cannot hold. "
                f"Convert it to float64 first.")
    versions = {"tinygrad_mlp": __version__, "numpy": np.__version__,
                "python": platform.python_version()}
    metadata = {"format": FORMAT, "versions": versions, **metadata}
    try:
        text = json.dumps(metadata)
    except (TypeError, ValueError) as error:
        message = f"{who}: metadata must be expressible in JSON: {error}"
        raise InvalidArgumentError(message) from None
    # One entry, because the format keeps no order, and equal content should make equal files.
    entries = {FORMAT: json.dumps({**metadata, CHECKSUM: _checksum(arrays, text)})}
    write_file(path, save(arrays, entries))


def read(path: str | os.PathLike[str]) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return the arrays and the metadata of a file; bfloat16 is read as float32."""
    from safetensors import SafetensorError, safe_open

    name = os.fspath(path)
    if not os.path.isfile(name):
        found = "this is a folder" if os.path.isdir(name) else "there is no such file"
        raise DataNotFoundError(f"{name}: {found}. Name a file that tg.save has written.")
    arrays = {}
    try:
        with safe_open(name, framework="numpy") as file:
            entries = file.metadata() or {}
            keys = list(file.keys())
            wide = _bfloat16(name, [k for k in keys if file.get_slice(k).get_dtype() == "BF16"])
            for key in keys:
                if key in wide:
                    arrays[key] = wide[key]
                    continue
                arrays[key] = array = file.get_tensor(key)
                if array.dtype.kind not in "fiub":  # of 8 bits, if ml_dtypes is loaded
                    raise TypeError(f"'{key}' of {array.dtype}, which is no dtype of NumPy's own")
    # The last three are raised for data types that NumPy lacks.
    except (SafetensorError, OSError, TypeError, AttributeError, KeyError) as error:
        kind, advice = kind_of(name)
        raise DataError(
            f"{name}: expected a file in the safetensors format. Got {kind} ({error}). {advice}"
        ) from error
    if FORMAT not in entries:
        return arrays, dict(entries)  # written by another program
    try:
        metadata = json.loads(entries[FORMAT])
    except (ValueError, RecursionError):
        metadata = None
    if not isinstance(metadata, dict):
        raise DataError(f"{name}: the metadata are damaged. Save it again.")
    checksum = metadata.pop(CHECKSUM, None)
    if checksum is not None and checksum != _checksum(arrays, json.dumps(metadata)):
        raise DataError(
            f"{name}: expected the saved content. Got content with another checksum. The file "
            f"is damaged, or was changed by another program. Save it again.")
    return arrays, metadata


def _bfloat16(path: str, keys: list[str]) -> dict[str, NDArray[np.generic]]:
    """Read arrays of bfloat16 as float32, whose upper half they are."""
    arrays: dict[str, NDArray[Any]] = {}
    if not keys:
        return arrays
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        for key in keys:
            begin, end = header[key]["data_offsets"]
            file.seek(8 + length + begin)
            upper = np.frombuffer(file.read(end - begin), "<u2").astype(np.uint32)
            arrays[key] = (upper << 16).view(np.float32).reshape(header[key]["shape"])
    return arrays


def _checksum(arrays: Mapping[str, NDArray[np.generic]], text: str) -> str:
    value = zlib.crc32(text.encode())
    for name in sorted(arrays):
        value = zlib.crc32(f"{name} {fingerprint(arrays[name])}".encode(), value)
    return f"{value:08x}"


def fingerprint(array: Any) -> str:
    """Return the dtype, the shape and a checksum (CRC-32) of the bits of an array, as text.

    It detects accidents, not manipulation, and takes a third of a second for a gigabyte.

    >>> fingerprint(np.zeros((2, 3)))
    'float64 (2, 3) f288b395'
    """
    value = 0
    # In parts, so that a copy, where one must be made, is small.
    for start in range(0, len(array) if array.ndim else 1, 4096):
        part = array[start : start + 4096] if array.ndim else array
        little = np.asarray(part, part.dtype.newbyteorder("<"), order="C")
        value = zlib.crc32(little.reshape(-1).view(np.uint8).data, value)
    return f"{array.dtype.name} {array.shape} {value:08x}"


def packed(tree: object, name: str, arrays: dict[str, NDArray[np.generic]]) -> Any:
    """Return nested values in a form that JSON can express; their arrays go into `arrays`.

    The values are None, strings, numbers and arrays, in dicts, lists and tuples. The names of the
    arrays begin with that of the tree. `unpacked` takes the result.

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
        f"'{name}' must consist of arrays, numbers, strings, None, dicts, lists and tuples. Got "
        f"{type(tree).__name__}.")


def unpacked(tree: object, arrays: Mapping[str, NDArray[np.generic]]) -> Any:
    """Return the nested values that were `packed`; the arrays keep their layout in memory.

    KeyError, TypeError or ValueError is raised if `packed` has not returned this tree.
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


def _axes_in_memory(array: NDArray[np.generic]) -> list[int] | None:
    """Return the axes in their order in memory; None for NumPy's usual order.

    The rounding of products depends on that order, and a resumed training must repeat it.
    """
    if array.flags.c_contiguous:
        return None
    axes = sorted(range(array.ndim), key=lambda axis: -array.strides[axis])
    return axes if array.transpose(axes).flags.c_contiguous else None
