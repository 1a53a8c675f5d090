"""The process that runs one submission: it calls `derived` at points and stores what it returns.

``python -m tinygrad_mlp.classroom.child derive`` (or ``explain``), in the scratch folder; the job
and the numbers come on standard input. What this process stores is not believed: the parent
compares plain arrays, and takes an explanation as advice.
"""

from __future__ import annotations

import io
import json
import linecache
import os
import re
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tinygrad_mlp.classroom.confinement import confine
from tinygrad_mlp.verify import check_derivation
from tinygrad_mlp.verify.derivations.answers import in_own_names
from tinygrad_mlp.verify.derivations.arguments import Caller
from tinygrad_mlp.verify.reading.returned import plain_array
from tinygrad_mlp.verify.wrong_line.message import message

PROGRAM = "submission"
"""The name under which a submission is run; ``if __name__ == "__main__"`` is not entered."""

LONGEST_MESSAGE = 500


def write_frame(stream: BinaryIO, arrays: Mapping[str, Any]) -> None:
    """Write arrays to a stream as one block, preceded by its length."""
    block = io.BytesIO()
    np.savez(block, **arrays)
    data = block.getvalue()
    stream.write(len(data).to_bytes(8, "big") + data)


def read_frame(stream: BinaryIO) -> dict[str, Any]:
    """Read the arrays of the next block of a stream."""
    length = int.from_bytes(stream.read(8), "big")
    with np.load(io.BytesIO(stream.read(length)), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def main(task: str) -> None:
    """Run the submission of the job, and store what it returns or why it fails."""
    # The points stay unread until the submission's program has run.
    stream = os.fdopen(os.dup(0), "rb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdin = open(0, closefd=False)
    first = read_frame(stream)
    job = json.loads(first.pop("job").tobytes())
    scratch = Path.cwd()
    confine(scratch, job["seconds"], job["memory"])
    out = scratch / "out"
    try:
        if task == "explain":
            _explain(job, first, out)
        else:
            names = _run(job["source"], job["filename"], first)
            if "derived" not in names:
                raise NameError("the file defines no 'derived'")
            if not callable(names["derived"]):
                raise TypeError(f"derived must be a function. Got {names['derived']!r:.60}")
            _derive(names["derived"], read_frame(stream), job["points"], out)
        answer: dict[str, Any] = {"problem": ""}
    except BaseException as error:  # SystemExit and KeyboardInterrupt of a submission, too
        filename = job["filename"]
        answer = {"problem": _message(error, filename), "line": _line(error, filename)}
    (out / "end.json").write_text(json.dumps(answer))
    os._exit(0)  # whatever the submission has registered to run at exit


def _run(source: str, filename: str, shared: Mapping[str, object]) -> dict[str, Any]:
    """Run a program, whose source messages and the search for a wrong line can read."""
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    names: dict[str, Any] = {"__name__": PROGRAM, "__file__": filename, **shared}
    sys.path.insert(0, os.getcwd())
    exec(compile(source, filename, "exec"), names)
    return names


def _derive(derived: Any, arrays: Mapping[str, Any], points: list[list[str]], out: Path) -> None:
    """Store the gradients at each point, and those at the first one once more at the end."""
    call = Caller(derived, points[0], "derived")
    for number in [*range(len(points)), 0]:
        point = {name: arrays[f"{number}.{name}"].copy() for name in points[number]}
        given = in_own_names(call(point), call.order, call.said)
        if isinstance(given, list | tuple) and len(given) == len(call.order):
            given = dict(zip(call.order, given, strict=True))
        stem = "again" if (out / f"{number}.json").exists() else str(number)
        _store(given, out, stem)


def _store(given: object, out: Path, stem: str) -> None:
    """Store what `derived` returned as plain arrays, and by which keys or in which order."""
    if isinstance(given, Mapping):
        kind, items = "mapping", [(str(key), value) for key, value in given.items()]
    elif isinstance(given, list | tuple):
        kind, items = "sequence", [(str(i), value) for i, value in enumerate(given)]
    else:
        kind, items = "single", [("0", given)]
    kept, left_out = [], []
    for i, (key, value) in enumerate(items):
        array = plain_array(value)
        if array.dtype.kind in "biuf":
            np.save(out / f"{stem}.{i}.npy", np.ascontiguousarray(array).reshape(array.shape),
                    allow_pickle=False)
            kept.append([key, i])
        else:
            named = f" for {key}" if kind != "single" else ""
            left_out.append(f"{type(value).__name__}{named}")
    (out / f"{stem}.json").write_text(
        json.dumps({"kind": kind, "keys": kept, "not_numbers": ", ".join(left_out)}))


def _explain(job: Mapping[str, Any], arrays: Mapping[str, Any], out: Path) -> None:
    """Store what `check_derivation` says of the submission at a point that students know."""
    prefix = "shared."
    shared = {key.removeprefix(prefix): value for key, value in arrays.items()
              if key.startswith(prefix)}
    shared = {key: value.item() if value.ndim == 0 else value for key, value in shared.items()}
    point = {name: arrays[f"point.{name}"] for name in job["parameters"]}
    loss = _run(job["definitions"], job["reference"], shared)["loss"]
    names = _run(job["source"], job["filename"], shared)
    report = check_derivation(loss, names["derived"], point, hint=job["hint"],
                              budget=job["search"], **job["accepted"])
    culprit = report.culprit
    if culprit is None:
        return
    causes = "\n\n".join(map(without_line, report.messages))
    told = {"causes": causes, "text": message(culprit), "line": culprit.line,
            "code": culprit.text, "expected": culprit.expected, "repair": culprit.repair}
    (out / "explanation.json").write_text(json.dumps(told))


def without_line(message: str) -> str:
    """Return a message without lines of the loss, which a student would look for at home."""
    return re.sub(r" \(line \d+\)", "", message)


def _message(error: BaseException, filename: str) -> str:
    line = _line(error, filename)
    where = f" (line {line})" if line else ""
    said = str(error) if error.args and error.args != (None,) else ""
    return ": ".join(filter(None, [type(error).__name__, said]))[:LONGEST_MESSAGE] + where


def _line(error: BaseException, filename: str) -> int | None:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame.lineno for frame in frames if frame.filename == filename]
    return own[-1] if own else None


if __name__ == "__main__":
    main(sys.argv[1])
