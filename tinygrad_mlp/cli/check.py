"""``tinygrad-mlp check``: operations, formulas, and what students' files hold."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tinygrad_mlp.autograd.op import OPS, Op
from tinygrad_mlp.cli.check_file import check_file, namespace_of, operations_in, registry_kept
from tinygrad_mlp.cli.check_operations import check_all
from tinygrad_mlp.cli.outputs import FAILURE, INTERRUPT, SUCCESS, fail
from tinygrad_mlp.cli.running import Outcome
from tinygrad_mlp.errors import DataNotFoundError, InvalidArgumentError
from tinygrad_mlp.verify import formulas

FORMULAS = tuple(f"formulas.{loss}" for loss in formulas.LOSSES)


class Subjects(NamedTuple):
    """What is to be checked.

    Attributes:
        operations: operations, built in or not.
        losses: losses whose formulas are checked.
        files: Python files.
    """

    operations: list[Op]
    losses: list[str]
    files: list[Path]


def check(words: Sequence[str], *, quick: bool = False) -> Outcome:
    """Check what the words name, everything built in if there are none, and print the results."""
    with registry_kept():
        subjects = subjects_of(words)
        verdicts = check_all(subjects.operations, subjects.losses, quick=quick, notes=bool(words))
        interrupted, files = verdicts.interrupted, list[dict[str, Any]]()
        for path in subjects.files:
            if interrupted:
                break
            if len(subjects.files) > 1 or verdicts.all:
                print(f"\n{path}")
            files.append(check_file(path, quick))
            interrupted = files[-1]["interrupted"]
    total = len(verdicts.all) + len(files)
    right = verdicts.right + sum(file["ok"] for file in files)
    if total > 1:
        print(f"\n{right} of {total} {'right' if verdicts.all else 'files right'}.")
    elif total == right == 1:
        print("\nAll right.")
    if interrupted:
        fail("interrupted by Ctrl-C.")
    code = INTERRUPT if interrupted else SUCCESS if right == total else FAILURE
    document = {
        "operations": verdicts.operations,
        "formulas": verdicts.formulas,
        "files": files,
        "right": right,
        "total": total,
        "interrupted": interrupted,
    }
    return Outcome(code, document)


def subjects_of(words: Sequence[str]) -> Subjects:
    """What the words of the command line stand for; without words, everything built in.

    A word is a file, a folder, the name of an operation or a formula, or ``where:name`` of an
    operation in a file or a module.

    Raises:
        DataNotFoundError: there is no such file, or no Python file in a folder.
        InvalidArgumentError: a word stands for nothing of these.
    """
    if not words:
        return Subjects(list(OPS.values()), list(formulas.LOSSES), [])
    found = Subjects([], [], [])
    for word in words:
        path = Path(word)
        where, colon, name = word.rpartition(":")
        if path.is_dir():
            found.files.extend(_files_in(path))
        elif path.is_file():
            found.files.append(path)
        elif word in OPS:
            found.operations.append(OPS[word])
        elif word in FORMULAS:
            found.losses.append(word.partition(".")[2])
        elif colon and where:
            found.operations.append(_operation(where, name))
        elif path.suffix or os.path.dirname(word):
            raise DataNotFoundError(f"{word}: there is no such file.")
        else:
            raise InvalidArgumentError(
                f"{word!r} is no operation and no file{_suggested(word, [*OPS, *FORMULAS])}. Give "
                f"the name of an operation, a Python file or a folder of them, or module:name for "
                f"an operation of your own."
            )
    return found


def _files_in(folder: Path) -> list[Path]:
    found = sorted(folder.glob("*.py"))
    if not found:
        raise DataNotFoundError(f"{folder}: this folder has no Python files.")
    return found


def _operation(where: str, name: str) -> Op:
    """The operation `name` of a file or of a module, which is looked for here, too."""
    if where.endswith(".py"):
        if not Path(where).is_file():
            raise DataNotFoundError(f"{where}: there is no such file.")
        names = namespace_of(Path(where))
    else:
        names = _module(where)
    op = names.get(name)
    if isinstance(op, Op):
        return op
    known = [key for key, value in names.items() if isinstance(value, Op)]
    own = [key for key in known if names[key] in operations_in(names)]
    if name in names:
        raise InvalidArgumentError(
            f"{where}:{name} is no operation, but a {type(names[name]).__name__}. An operation is "
            f"made with @tg.op."
        )
    raise InvalidArgumentError(
        f"{where} has no operation {name!r}{_suggested(name, known)}. It defines "
        f"{', '.join(own) or 'none'}."
    )


def _module(where: str) -> dict[str, Any]:
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)  # as `python -m` does
    try:
        # The module of a user's own, whose name is known only now.
        return vars(importlib.import_module(where))  # noqa: TID251
    except (Exception, SystemExit) as error:
        raise InvalidArgumentError(
            f"the module {where} cannot be imported: {type(error).__name__}: {error}. It is looked "
            f"for in the current folder and among the installed packages."
        ) from error


def _suggested(word: str, names: Sequence[str]) -> str:
    """The names that look like a word, in brackets."""
    close = difflib.get_close_matches(word, names, n=3)
    return f" (did you mean {' or '.join(close)}?)" if close else ""
