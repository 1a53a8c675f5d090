"""``tinygrad-mlp info``: versions, libraries, threads and data."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from tinygrad_mlp.cli.outputs import SUCCESS, labelled
from tinygrad_mlp.cli.running import Outcome
from tinygrad_mlp.data.mnist import FILES, cache_dir, find_mnist
from tinygrad_mlp.drawing.graphviz import find_dot
from tinygrad_mlp.support.blas_threads import libraries
from tinygrad_mlp.support.version import __version__


def info() -> Outcome:
    """Return versions, libraries, cores and threads, and the data found or searched for."""
    required, extras = requirements()
    all_cores = os.cpu_count()
    limited = hasattr(os, "sched_getaffinity")  # a process may be limited to some cores
    usable = len(os.sched_getaffinity(0)) if limited else all_cores
    document: dict[str, Any] = {
        "package": {"version": __version__, "folder": Path(__file__).parents[1]},
        "python": {
            "version": platform.python_version(),
            "implementation": platform.python_implementation(), "executable": sys.executable},
        "platform": platform.platform(), "libraries": required, "extras": extras,
        "graphviz": find_dot(),
        "cores": {"machine": all_cores, "usable": usable},
        "blas": [
            {"library": library["internal_api"], "version": library["version"],
             "threads": library["num_threads"], "architecture": library.get("architecture"),
             "file": library["filepath"]}
            for library in sorted(libraries(), key=lambda one: str(one["filepath"]))],
        "data": data(), "cache": Path(cache_dir()).parent}
    return Outcome(SUCCESS, document, as_lines(document))


def requirements() -> tuple[dict[str, str | None], dict[str, dict[str, str | None]]]:
    """Return the installed versions of the required packages, and of those of each extra."""
    required: dict[str, str | None] = {}
    extras: dict[str, dict[str, str | None]] = {}
    try:
        lines = metadata.requires("tinygrad_mlp") or []
    except metadata.PackageNotFoundError:  # run from a copy of the repository
        lines = ["numpy", "scipy"]
    for line in lines:
        name = re.split(r"[^\w.-]", line, maxsplit=1)[0]
        extra = re.search(r"""extra\s*==\s*["']([\w-]+)["']""", line)
        group = extras.setdefault(extra[1], {}) if extra else required
        group[name] = version_of(name)
    return dict(sorted(required.items())), extras


def version_of(distribution: str) -> str | None:
    """Return the version of a distribution, or None if it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def data() -> dict[str, Any]:
    """Return the data sets found; of each part of MNIST also the places searched."""
    mnist: dict[str, Any] = {}
    for part in ("train", "test"):
        folder, searched = find_mnist(part)
        mnist[part] = {
            "folder": folder, "files": [file.name for file in FILES[part]],
            "searched": [{"place": place, "result": result} for place, result in searched]}
    return {"digits": {"found": version_of("scikit-learn") is not None}, "mnist": mnist}


def as_lines(document: Mapping[str, Any]) -> str:
    """Return the JSON document as text."""
    cores = document["cores"]
    lines = {
        "tinygrad_mlp": f"{document['package']['version']} in {document['package']['folder']}",
        "Python": f"{document['python']['version']} ({document['python']['implementation']}), "
        f"{document['python']['executable']}",
        "system": document["platform"],
        "libraries": listed(document["libraries"]),
        **{f"extra {name}": listed(group) for name, group in document["extras"].items()},
        "Graphviz": document["graphviz"] or "missing: tg.draw gives DOT text, but no SVG",
        "cores": f"{cores['usable']} of {cores['machine']} usable"}
    for number, library in enumerate(document["blas"], 1):
        threads = library["threads"]
        lines[f"BLAS {number}" if len(document["blas"]) > 1 else "BLAS"] = (
            f"{library['library']} {library['version']}, {threads} thread{'s' * (threads != 1)}, "
            f"{Path(library['file']).name}")
    has_digits = document["data"]["digits"]["found"]
    lines["digits"] = "found, in scikit-learn" if has_digits else "missing: install scikit-learn"
    for part, found in document["data"]["mnist"].items():
        searched = "; ".join(f"{one['place']}: {one['result']}" for one in found["searched"])
        lines[f"mnist {part}"] = (
            f"found in {found['folder']}" if found["folder"]
            else f"not found, will be downloaded once. Searched {searched}")
    return labelled({**lines, "cache": str(document["cache"])})


def listed(versions: Mapping[str, str | None]) -> str:
    """Return names with their versions.

    >>> listed({"numpy": "2.1.0", "jax": None})
    'numpy 2.1.0, jax missing'
    """
    return ", ".join(f"{name} {version or 'missing'}" for name, version in versions.items())
