"""Runs a submission in a process of its own, and reads what that stores, believing nothing."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.classroom import child
from tinygrad_mlp.classroom.confinement import launcher
from tinygrad_mlp.classroom.reference import Reference
from tinygrad_mlp.classroom.submissions import Submission

PROGRAM = "submission.py"
"""The name of the program within the process that runs it."""

LARGEST_TEXT = 64 * 1024


class Limits(NamedTuple):
    """The seconds and the bytes of memory that one submission may use."""

    seconds: float = 20.0
    memory: int = 2 * 2**30


class Returned(NamedTuple):
    """What a submission returned.

    Attributes:
        gradients: for each point, a dict or list of arrays as the submission returned it; shorter
            than the points where it failed.
        again: the same at the first point, called once more, or None.
        problem: why there are no more of them, in words; empty if nothing failed.
        line: the line of the program where it failed, or None.
        not_numbers: what of it at the first point is no array of numbers, in words, or empty.
    """

    gradients: list[Any]
    again: Any
    problem: str = ""
    line: int | None = None
    not_numbers: str = ""


class Explanation(NamedTuple):
    """What the process of a submission says of its mistake: advice, for the student only."""

    causes: str
    text: str
    line: int
    code: str
    expected: str | None
    repair: str | None


def derive(reference: Reference, submission: Submission, limits: Limits) -> Returned:
    """Return what a submission's `derived` gives at all points of a reference."""
    points = [*reference.points, *reference.hidden]
    job = {"source": submission.source, "points": [list(point) for point in points]}
    numbers = {f"{i}.{name}": value for i, point in enumerate(points)
               for name, value in point.items()}
    with tempfile.TemporaryDirectory(prefix="submission-", ignore_cleanup_errors=True) as folder:
        scratch = Path(folder)
        problem = _call("derive", job, [reference.shared, numbers], scratch, submission,
                        reference, limits)
        end = _json(scratch / "out" / "end.json")
        sizes = {name: a.nbytes for name, a in points[0].items()}
        allowed = 16 * max(sizes.values()) + 2**20
        found: list[Any] = []
        for number in range(len(points)):
            gradients = _gradients(scratch / "out", str(number), allowed)
            if gradients is None:
                break
            found.append(gradients)
        again = _gradients(scratch / "out", "again", allowed)
        others = _json(scratch / "out" / "0.json").get("not_numbers")
    told = _plain(str(end.get("problem", ""))) if end else ""
    line = end.get("line") if end else None
    if not problem and not end:
        problem = "the program ended its process without an answer"
    not_numbers = _plain(f"derived must give arrays of numbers. Got {others}") if others else ""
    return Returned(found, again, problem or told, line if isinstance(line, int) else None,
                  not_numbers[:child.LONGEST_MESSAGE])


def explain(reference: Reference, submission: Submission, limits: Limits,
            hint: int, search: float) -> Explanation | None:
    """Return what the search for the wrong line says, or None if it says nothing."""
    point = reference.points[0]
    job = {"source": submission.source, "definitions": reference.definitions,
           "reference": f"<{reference.path.name}>", "parameters": list(point), "hint": hint,
           "search": search, "accepted": reference.accepted}
    numbers = {f"shared.{name}": value for name, value in reference.shared.items()}
    numbers |= {f"point.{name}": value for name, value in point.items()}
    with tempfile.TemporaryDirectory(prefix="submission-", ignore_cleanup_errors=True) as folder:
        scratch = Path(folder)
        longer = limits._replace(seconds=limits.seconds + search)
        _call("explain", job, [numbers], scratch, submission, reference, longer)
        told = _json(scratch / "out" / "explanation.json")
    line = told.get("line")
    words = {key: _plain(value) if isinstance(value := told.get(key), str) else None
             for key in ("causes", "text", "code", "expected", "repair")}
    if not isinstance(line, int) or words["text"] is None:
        return None
    text = re.sub(r" {2,}line (\d+)$", r"    # line \1", words["text"], flags=re.MULTILINE)
    text = re.sub(r"\bline (\d+)", lambda found: submission.place(int(found[1])), text)
    return Explanation(words["causes"] or "", text, line, words["code"] or "",
                       words["expected"], words["repair"])


def _call(task: str, job: dict[str, Any], frames: list[Mapping[str, object]], scratch: Path,
          submission: Submission, reference: Reference, limits: Limits) -> str:
    """Run the child to its end or to its limits; return what stopped it, in words."""
    (scratch / "out").mkdir()
    for file in (*reference.files, *submission.extra):
        shutil.copyfile(file, scratch / file.name)
    job |= {"filename": PROGRAM, "seconds": limits.seconds, "memory": limits.memory}
    text = np.frombuffer(json.dumps(job).encode(), np.uint8)
    stream = BytesIO()
    child.write_frame(stream, {"job": text, **frames[0]})
    for frame in frames[1:]:
        child.write_frame(stream, frame)
    command = [*launcher(), sys.executable, "-P", "-m", child.__name__, task]
    process = subprocess.Popen(
        command, cwd=scratch, env=_environment(scratch), stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        process.communicate(stream.getvalue(), timeout=limits.seconds)
    except subprocess.TimeoutExpired:
        return f"it was stopped after {limits.seconds:g} seconds"
    finally:
        _end(process)
    if (scratch / "out").is_symlink():
        (scratch / "out").unlink()  # it would let this process read elsewhere
    code = process.returncode
    if code in (-signal.SIGXCPU, 128 + signal.SIGXCPU, -signal.SIGKILL, 128 + signal.SIGKILL):
        return "it was stopped: it used more time or memory than allowed"
    if code < 0:
        return f"its process was ended by {signal.Signals(-code).name}"
    return "" if code == 0 else f"its process ended itself with exit code {code}"


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and those it has started."""
    with suppress(ProcessLookupError, PermissionError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def _environment(scratch: Path) -> dict[str, str]:
    """Return the environment of a child: nothing of the parent's but where Python finds modules."""
    package = str(Path(__file__).resolve().parents[2])
    kept = {name: os.environ[name] for name in ("SYSTEMROOT", "PATH", "LANG") if name in os.environ}
    folders = [package, *(p for p in sys.path if Path(p).name.endswith("-packages"))]
    return {**kept, "PYTHONPATH": os.pathsep.join(folders), "HOME": str(scratch),
            "TMPDIR": str(scratch), "MPLCONFIGDIR": str(scratch), "MPLBACKEND": "agg",
            "PYTHONDONTWRITEBYTECODE": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1",
            "MKL_NUM_THREADS": "1"}


def _bytes(path: Path, most: int) -> bytes | None:
    """Return the content of an ordinary file of at most so many bytes, or None."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        place = os.open(path, flags | getattr(os, "O_BINARY", 0))
    except OSError:
        return None
    with os.fdopen(place, "rb") as file:
        found = os.fstat(place)
        if not stat.S_ISREG(found.st_mode) or found.st_size > most:
            return None
        return file.read(most)


def _json(path: Path) -> dict[str, object]:
    """Return a dict that a child has stored; an empty one if there is none that makes sense."""
    text = _bytes(path, LARGEST_TEXT)
    try:
        found = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _gradients(out: Path, stem: str, most: int) -> Any:
    """Return what `derived` gave at a point as the child stored it, or None."""
    told = _json(out / f"{stem}.json")
    keys = told.get("keys")
    if not isinstance(keys, list) or len(keys) > 1000:
        return None
    arrays: dict[str, Array] = {}
    for entry in keys:
        if not (isinstance(entry, list) and len(entry) == 2 and isinstance(entry[1], int)):
            return None
        array = _array(_bytes(out / f"{stem}.{entry[1]}.npy", most))
        if array is not None:
            arrays[_plain(str(entry[0]))[:100]] = array
    if told.get("kind") == "single" and arrays:
        return next(iter(arrays.values()))
    return tuple(arrays.values()) if told.get("kind") == "sequence" else arrays


def _array(data: bytes | None) -> Array | None:
    """Return the array of numbers in a .npy file's bytes, or None."""
    if data is None:
        return None
    try:
        stream = BytesIO(data)
        np.lib.format.read_magic(stream)
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
        # A header may claim more than there is; nothing is allocated for it.
        if dtype.kind not in "biuf" or dtype.itemsize * math.prod(shape) > len(data):
            return None
        array = np.load(BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError, TypeError, SyntaxError):
        return None
    return np.asarray(array, None if array.dtype.kind == "f" else float)


def _plain(text: str) -> str:
    """Return text without control characters, which could repaint a terminal."""
    kept = "".join(c if c == "\n" or c.isprintable() else "�" for c in text)
    return kept[:LARGEST_TEXT]
