"""MNIST: 70,000 handwritten digits of 28x28 pixels (LeCun, Cortes and Burges)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from tinygrad_mlp.data.dataset import Dataset, dataset_from_file
from tinygrad_mlp.data.download import fetch, progress_display
from tinygrad_mlp.data.idx import read_idx
from tinygrad_mlp.errors import DataError, DataNotFoundError, InvalidArgumentError
from tinygrad_mlp.support.checks import flag, one_of, seconds
from tinygrad_mlp.support.files import write_file

Subset = Literal["train", "test", "all"]

ENVIRONMENT = "TINYGRAD_MLP_DATA"
MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/",
           "https://storage.googleapis.com/cvdf-datasets/mnist/")
_ALTERNATIVE = (
    "Without a download there are the 8x8 digits: tinygrad_mlp.data.load_digits(), "
    "or `tinygrad-mlp train digits` on the command line.")


class RemoteFile(NamedTuple):
    """The canonical name of a file, with the size and digest of its uncompressed bytes."""

    name: str
    size: int
    sha256: str


# Images, then labels.
FILES: dict[str, tuple[RemoteFile, RemoteFile]] = {
    "train": (
        RemoteFile("train-images-idx3-ubyte", 47_040_016,
                   "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
        RemoteFile("train-labels-idx1-ubyte", 60_008,
                   "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5")),
    "test": (
        RemoteFile("t10k-images-idx3-ubyte", 7_840_016,
                   "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
        RemoteFile("t10k-labels-idx1-ubyte", 10_008,
                   "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"))}


def load_mnist(data_dir: str | os.PathLike[str] | None = None, *, subset: Subset = "train",
               download: bool = True, progress: bool = False, mirrors: Sequence[str] = MIRRORS,
               timeout: float = 30.0, deadline: float = 900.0) -> Dataset:
    """Load MNIST from a folder of IDX files; download it once if no folder has it.

    The folders searched are `data_dir`, the one named by the environment variable
    ``TINYGRAD_MLP_DATA``, and the user's cache. A file may be plain or gzip-compressed (``.gz``)
    and named ``train-images-idx3-ubyte`` or ``train-images.idx3-ubyte``. Your own files may hold a
    part of MNIST or anything else in its format: they are checked for damage, and only downloads
    are compared with the digests of the original.

    Args:
        data_dir: if given, the only folder searched, and nothing is downloaded.
        subset: ``"train"`` (60,000 images), ``"test"`` (10,000) or ``"all"``, train first.
        download: whether to fetch missing files (train 10 MB, test 2 MB) into the cache.
        progress: whether to show the progress of a download on the terminal.
        mirrors: addresses of folders with the ``.gz`` files, tried in turn; of http or https.
        timeout: seconds a mirror may stay silent.
        deadline: seconds a mirror may take for one file, however much of it has arrived.

    Returns:
        Images of shape (n, 28, 28), uint8 from 0 to 255.

    Raises:
        InvalidArgumentError: `subset` is none of the three, a mirror is no such address, or a time
            is not a positive number.
        DataNotFoundError: the files were not found, and not downloaded.
        DataError: a file is damaged, or images and labels do not belong together.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:  # two images of 2x2 pixels, a 7 and a 2
    ...     images = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2]) + bytes(range(8))
    ...     size = pathlib.Path(folder, "train-images-idx3-ubyte").write_bytes(images)
    ...     labels = bytes([0, 0, 8, 1, 0, 0, 0, 2]) + bytes([7, 2])
    ...     size = pathlib.Path(folder, "train-labels-idx1-ubyte").write_bytes(labels)
    ...     load_mnist(folder)
    Dataset('mnist': 2 images of shape (2, 2), uint8, 10 classes)
    """
    one_of(subset, get_args(Subset), "load_mnist: subset")
    flag(download, "load_mnist: download")
    flag(progress, "load_mnist: progress")
    get = partial(fetch, timeout=seconds(timeout, "load_mnist: timeout"),
                  deadline=seconds(deadline, "load_mnist: deadline"))
    addresses = _checked_mirrors(mirrors)
    parts, wanted = _files(subset)
    if data_dir is not None:
        folder = os.path.expanduser(os.fspath(data_dir))
        if lacks := _lacks(folder, wanted):
            raise DataNotFoundError(
                f"load_mnist: data_dir = {folder!r} must hold the MNIST files, plain or .gz. It "
                f"{lacks}. Correct data_dir, or leave it out to search {ENVIRONMENT} and the "
                f"cache and to download. {_ALTERNATIVE}")
        return _read(folder, parts)
    found, searched = find_mnist(subset)
    if found is None:
        shown = ["  data_dir: not given", *(f"  {place}: {what}" for place, what in searched)]
        _download(wanted, cache_dir(), shown, addresses if download else [], get, progress)
    return _read(found or cache_dir(), parts)


def _checked_mirrors(mirrors: Any) -> list[str]:
    """Return the addresses as a list, if they are strings of http or https."""
    several = isinstance(mirrors, Iterable) and not isinstance(mirrors, (str, bytes))
    addresses = list(mirrors) if several else [mirrors]
    for address in addresses:
        web = isinstance(address, str) and address.lower().startswith(("http://", "https://"))
        if not several or not web:
            raise InvalidArgumentError(
                "load_mnist: mirrors must be a list of addresses that begin with http:// or "
                f"https://. Got {address!r}{' in it' if several else ''}. For a folder use "
                "data_dir.")
    return addresses


def find_mnist(subset: Subset = "train") -> tuple[str | None, list[tuple[str, str]]]:
    """Find the first folder with the files of MNIST among those searched by default.

    Return the folder or None; and for each place searched its name and its state.
    """
    wanted = _files(subset)[1]
    searched: list[tuple[str, str]] = []
    environment = os.path.expanduser(os.environ.get(ENVIRONMENT, ""))
    for place, folder in ((ENVIRONMENT, environment), ("cache", cache_dir())):
        lacks = _lacks(folder, wanted) if folder else ""
        name = f"{place} {folder}" if folder else place
        searched.append((name, lacks or ("found" if folder else "not set")))
        if folder and not lacks:
            return folder, searched
    return None, searched


def _files(subset: Subset) -> tuple[list[str], list[RemoteFile]]:
    """Return the parts of MNIST in a subset, and their files."""
    parts: list[str] = list(FILES) if subset == "all" else [subset]
    return parts, [file for part in parts for file in FILES[part]]


def cache_dir() -> str:
    """Return the folder of downloads, where the operating system keeps caches."""
    from platformdirs import user_cache_dir
    return os.path.join(user_cache_dir("tinygrad_mlp", appauthor=False), "mnist")


def _find(folder: str, name: str) -> str | None:
    """Return the path in `folder` of the file of canonical `name`, under any of its four names."""
    stem, _, ending = name.rpartition("-idx")
    for spelling in (name, f"{stem}.idx{ending}"):
        for suffix in ("", ".gz"):
            path = os.path.join(folder, spelling + suffix)
            if os.path.isfile(path):
                return path
    return None


def _lacks(folder: str, wanted: Sequence[RemoteFile]) -> str:
    """Return why `folder` cannot be used, as the end of a sentence; empty if it can."""
    if not os.path.isdir(folder):
        return "is not a folder" if os.path.exists(folder) else "does not exist"
    missing = [file.name for file in wanted if _find(folder, file.name) is None]
    return "lacks " + ", ".join(missing) if missing else ""


def _read(folder: str, parts: Sequence[str]) -> Dataset:
    loaded = [_read_pair(folder, *FILES[part]) for part in parts]
    shapes = {one.image_shape for one in loaded}
    if len(shapes) > 1:
        raise DataError(
            f"load_mnist: {folder}: expected training and test images of one size. Found the "
            f"sizes {sorted(shapes)}. Put files of one export into the folder.")
    if len(loaded) == 1:
        return loaded[0]
    X = np.concatenate([one.X for one in loaded])
    labels = np.concatenate([one.labels for one in loaded])
    return Dataset(X, labels, "mnist", max(one.n_classes for one in loaded))


def _read_pair(folder: str, images: RemoteFile, labels: RemoteFile) -> Dataset:
    # If a file has been removed in the meantime, read_idx reports the canonical name.
    images_path, labels_path = (
        _find(folder, file.name) or os.path.join(folder, file.name) for file in (images, labels))
    where = f"load_mnist: {images_path} and {labels_path}"
    return dataset_from_file(
        read_idx(images_path), read_idx(labels_path), name="mnist", least_classes=10, where=where)


def _download(wanted: Sequence[RemoteFile], cache: str, searched: Sequence[str],
              mirrors: list[str], get: Callable[..., bytes], progress: bool) -> None:
    """Download the missing files of `wanted` into `cache`, or raise an error with all reasons."""

    def not_found(*why: str) -> DataNotFoundError:
        places = ("load_mnist: the MNIST files are in none of the places searched:", *searched)
        advice = f"Name a folder that has them by {ENVIRONMENT} or data_dir. {_ALTERNATIVE}"
        return DataNotFoundError("\n".join([*places, *why, advice]))

    if not mirrors:
        raise not_found("Nothing was downloaded: download=False, or no mirrors were given.")
    for file in wanted:
        if _find(cache, file.name) is not None:
            continue
        answers: list[str] = []
        content = _first_good(mirrors, file, answers, get, progress)
        if content is None:
            raise not_found(f"No mirror supplied {file.name}:", *answers)
        try:
            os.makedirs(cache, exist_ok=True)
            write_file(os.path.join(cache, f"{file.name}.gz"), content)
        except OSError as error:
            raise not_found(f"The cache cannot be written: {str(error).rstrip('.')}.") from error


def _first_good(mirrors: list[str], file: RemoteFile, answers: list[str],
                get: Callable[..., bytes], progress: bool) -> bytes | None:
    """Return the file from the first mirror that has it; add the refusals to `answers`.

    A mirror that fails goes to the end of the list, so that the next file does not wait for it.
    """
    with progress_display(file.name, progress) as on_bytes:
        for _ in range(len(mirrors)):
            try:
                url = f"{mirrors[0].rstrip('/')}/{file.name}.gz"
                return get(url, size=file.size, sha256=file.sha256, on_bytes=on_bytes)
            except DataError as error:
                answers.append(f"  {error}")
                mirrors.append(mirrors.pop(0))
    return None
