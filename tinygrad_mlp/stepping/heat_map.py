"""A large array as a small picture: a PNG in the colours of signs, and the place of an entry."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.stepping.chain_rule import Entry

LARGEST = 64
"""Rows and columns of a picture; of more, some are left out."""

POSITIVE, ZERO, NEGATIVE = (216, 94, 0), (247, 247, 247), (90, 70, 170)

LEVELS = 31
"""Colours from negative to positive, with zero in the middle."""


class HeatMap(NamedTuple):
    """A picture of an array: rows, columns, the address of the PNG, the marked row and column."""

    rows: int
    columns: int
    address: str
    row: int
    column: int
    left_out: str


def heat_map(array: Array, entry: Entry) -> HeatMap:
    """Draw an array with a colour for each number, orange for positive and violet for negative."""
    numbers = _in_two_axes(np.arange(array.size).reshape(array.shape))
    marked = int(np.ravel_multi_index(entry, array.shape)) if entry else 0
    row, column = (int(i) for i in np.argwhere(numbers == marked)[0])
    steps = [-(-n // LARGEST) for n in numbers.shape]
    kept = numbers[row % steps[0] :: steps[0], column % steps[1] :: steps[1]]
    lines = zip(("row", "column"), steps, strict=True)
    shown = [f"one {line} in {step}" for line, step in lines if step > 1]
    left_out = f"Shown: {' and '.join(shown)}." if shown else ""
    address = f"data:image/png;base64,{base64.b64encode(_png(array.reshape(-1)[kept])).decode()}"
    rows, columns = kept.shape
    return HeatMap(rows, columns, address, row // steps[0], column // steps[1], left_out)


def _in_two_axes(numbers: Array) -> Array:
    """Arrange an array in rows and columns: a long vector as a square, images side by side."""
    if numbers.ndim < 2:
        side = int(numbers.size**0.5)
        flat = numbers.reshape(1, -1)
        return flat.reshape(side, side) if side > 4 and side * side == numbers.size else flat
    while numbers.ndim > 2:
        if numbers.ndim == 3:
            return np.concatenate(list(numbers), axis=1)
        numbers = np.concatenate(list(np.moveaxis(numbers, 1, 0)), axis=-1)
    return numbers


def _png(array: Array) -> bytes:
    """Return an image with a palette, a byte for each number."""
    size = np.nan_to_num(np.abs(array))
    levels = np.nan_to_num(array) / (size.max() or 1.0)
    middle = LEVELS // 2
    pixels = (middle + np.rint(levels * middle)).astype(np.uint8)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    weights = np.abs(np.arange(LEVELS) - middle)[:, None] / middle
    ends = np.where(np.arange(LEVELS)[:, None] < middle, NEGATIVE, POSITIVE)
    palette = np.rint(ZERO + weights * (ends - np.array(ZERO))).astype(np.uint8).tobytes()
    header = struct.pack(">IIBBBBB", array.shape[1], array.shape[0], 8, 3, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"PLTE", palette), (b"IDAT", zlib.compress(rows, 9)),
              (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks)
