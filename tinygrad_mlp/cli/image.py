"""Pictures from files, prepared as the images that a network was trained on."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.cli.photograph import evened_ink, is_uneven, upright
from tinygrad_mlp.errors import DataError, DataNotFoundError, TinygradError
from tinygrad_mlp.support.memory import check_memory

LEAST_CONTRAST = 13.0
"""Grey levels of 255. A smaller contrast is noise, and stretching it would make a digit of it."""


MOST_PIXELS = 1 << 26
"""The largest picture that is read, 8192x8192. Each pixel takes up to 50 bytes on the way."""
BYTES_A_PIXEL = 50
SMALLER = "Make it smaller; a digit needs no more than 100 x 100."


class ReadDrawing(NamedTuple):
    """A drawing read from a picture: 0 for the background, 1 for the darkest ink.

    `upright` is the drawing without its slant, where it was cut out of a larger picture.
    """

    ink: Array
    dark_on_light: bool
    upright: Array | None = None


def read_ink(path: Path, shape: tuple[int, int], size: int | None) -> ReadDrawing:
    """Read a picture as ink: 0 for the background, 1 for the pixel that differs most from it.

    The background is the median of the border, so that dark on light and light on dark give the
    same ink; under uneven light it is the median of the surroundings. Unless the picture has the
    wanted shape already, the drawing is cut out and centred as in the images of MNIST: `size` is
    the length of its longer side in pixels. For None the picture is padded to the proportions of
    `shape` instead.
    """
    grey = _grey_levels(path)
    if grey.shape != shape and is_uneven(grey):
        found = evened_ink(grey)
        if found is None:
            raise DataError(
                f"{path}: expected a drawing that stands out from its background. Found none "
                f"under this light. Photograph it from nearer, and without a shadow.")
        ink, dark_on_light = found
    else:
        ink, dark_on_light = _even_ink(path, grey)
    if ink.shape == shape:
        return ReadDrawing(ink, dark_on_light)
    fitted = _fitted(ink, shape, size)
    if size is None:
        return ReadDrawing(fitted, dark_on_light)
    # A straightened drawing is higher than a slanted one, and may need the space of its corners.
    straight = upright(np.pad(fitted, max(shape) // 4))
    return ReadDrawing(fitted, dark_on_light, _fitted(straight, shape, size))


def _even_ink(path: Path, grey: Array) -> tuple[Array, bool]:
    """Return the ink on a background of one level, and whether it is dark on light."""
    background = border_level(grey)
    darker, lighter = background - grey.min(), grey.max() - background
    dark_on_light, contrast = bool(darker > lighter), max(darker, lighter)
    if contrast < LEAST_CONTRAST:
        raise DataError(
            f"{path}: expected a picture of something. Got one even colour. Transparent parts "
            "count as white.")
    sign = -1.0 if dark_on_light else 1.0
    return np.clip(sign * (grey - background) / contrast, 0.0, 1.0), dark_on_light


def _fitted(ink: Array, shape: tuple[int, int], size: int | None) -> Array:
    """Return ink in the wanted shape: cut out and centred, or for no size padded."""
    made = resized(_filled_up(ink, shape), shape) if size is None else _cut_out(ink, shape, size)
    made /= made.max()  # a thin line must not fade
    return made


def typical_size(images: Array) -> int:
    """Return the typical size of the drawings in pixels: 20 for MNIST, 8 for the digits.

    It is the median over the images of the longer side of the box around the ink.

    >>> images = np.zeros((3, 8, 8))
    >>> images[:, 1:7, 3:5] = 255
    >>> typical_size(images)
    6
    """
    background = border_level(images.mean(axis=0))
    lightest, darkest = float(images.max()), float(images.min())
    middle = (lightest + darkest) / 2
    inked = images > middle if background < middle else images < middle
    heights, widths = _extents(np.any(inked, axis=2)), _extents(np.any(inked, axis=1))
    return max(1, int(np.median(np.maximum(heights, widths))))


def _extents(inked: Array) -> Array:
    """Return for each row the distance from its first to its last True; shape (n, m) to (n,)."""
    first, last = inked.argmax(axis=1), inked.shape[1] - inked[:, ::-1].argmax(axis=1)
    return np.asarray(np.where(inked.any(axis=1), last - first, 0))


def border_level(image: Array) -> float:
    """Return the median of the pixels at the edges, the background of most pictures.

    >>> border_level(np.array([[0, 0, 0], [0, 9, 0], [9, 0, 0]]))
    0.0
    """
    edges = (image[0], image[-1], image[1:-1, 0], image[1:-1, -1])
    return float(np.median(np.concatenate(edges)))


def _grey_levels(path: Path) -> Array:
    """Read a picture as grey levels from 0 to 255, in floating point."""
    from PIL import Image, ImageOps

    if not path.exists():
        raise DataNotFoundError(
            f"{path}: there is no such file. Expected an image, digits, mnist, or a file that "
            "ends in .mat.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # refused below
            file = Image.open(path)
        with file:
            _check_size(path, file.width, file.height)
            image: Any = ImageOps.exif_transpose(file)  # cameras store the rotation apart
            if image.mode.startswith("I"):  # 16 bits, which convert would clip at 255
                return np.asarray(image, np.float64) * (255 / 65535)
            layers = image.convert("RGBA")
            paper = Image.new("RGBA", layers.size, "white")
            return np.asarray(Image.alpha_composite(paper, layers).convert("L"), np.float64)
    except TinygradError:
        raise
    except Image.DecompressionBombError as error:  # so large that the size cannot be asked for
        raise _too_large(path, str(error)) from error
    # For a damaged file, the readers of the many formats raise nearly anything.
    except Exception as error:
        raise DataError(
            f"{path}: expected an image, such as PNG or JPEG; it cannot be read "
            f"({type(error).__name__}: {error}). Name another file.") from error


def _check_size(path: Path, width: int, height: int) -> None:
    """Raise an error for a picture that is too large, before its pixels are read."""
    if width * height > MOST_PIXELS:
        raise _too_large(path, f"Got {width} x {height} = {width * height:,}.")
    check_memory(BYTES_A_PIXEL * width * height,
                 f"{path}: a picture of {width} x {height} pixels", SMALLER)


def _too_large(path: Path, found: str) -> DataError:
    most = f"expected a picture of at most {MOST_PIXELS:,} pixels"
    return DataError(f"{path}: {most}. {found} {SMALLER}")


def _cut_out(ink: Array, shape: tuple[int, int], size: int) -> Array:
    """Scale the box around the ink to `size`, and move its centre of gravity to the middle."""
    drawn = ink > 0.5
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    box = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = size / max(box.shape)
    height = min(max(1, round(box.shape[0] * scale)), shape[0])
    width = min(max(1, round(box.shape[1] * scale)), shape[1])
    box = resized(box, (height, width))
    result = np.zeros(shape)
    top, left = _offset(box.sum(axis=1), shape[0]), _offset(box.sum(axis=0), shape[1])
    result[top : top + height, left : left + width] = box
    return result


def _offset(weights: Array, length: int) -> int:
    """Return the place in an array of some length that centres the gravity of `weights`.

    >>> _offset(np.array([0.0, 0.0, 1.0]), 7)
    1
    """
    centre = float(weights @ np.arange(len(weights))) / float(weights.sum())
    return int(np.clip(round((length - 1) / 2 - centre), 0, length - len(weights)))


def resized(ink: Array, shape: tuple[int, int]) -> Array:
    """Return a picture in another size."""
    from PIL import Image

    # Averaging when it shrinks keeps ink from spilling over; interpolating when it grows.
    smaller = max(shape) < max(ink.shape)
    how = Image.Resampling.BOX if smaller else Image.Resampling.BILINEAR
    image = Image.fromarray(ink.astype(np.float32))
    return np.asarray(image.resize(shape[::-1], how), np.float64)


def _filled_up(ink: Array, shape: tuple[int, int]) -> Array:
    """Pad the background on two sides to the proportions of `shape`."""
    height, width = ink.shape
    target_height = max(height, round(width * shape[0] / shape[1]))
    target_width = max(width, round(height * shape[1] / shape[0]))
    rows, columns = target_height - height, target_width - width
    return np.pad(ink, ((rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2)))
