"""Everything that the package writes goes through one writer, so that no file is lost."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

import tinygrad_mlp as tg
from tests.failing_disk import content, disk
from tinygrad_mlp.errors import WriteError
from tinygrad_mlp.training.history import History, Record

PACKAGE = Path(tg.__file__).parent
CALLS = ["open", "write", "flush", "fsync", "replace"]


def network():
    made = tg.NeuralNetwork([2, 3, 2], monitor=False, plot=False, seed=0)
    made.history = records()
    return made


def records():
    made = History()
    made.append(Record(0, 0, 0.1, 2.5, 0.5, 2.5, 0.5))
    made.append(Record(9, 1, 0.2, 1.5, 0.6, 1.5, 0.6))
    return made


def drawing():
    x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    return tg.draw(tg.sum(tg.exp(x)))


def train(path):
    model = tg.nn.Linear(2, 2, rng=np.random.default_rng(0))
    tg.fit(model, tg.nn.squared_error, tg.optim.SGD(model.parameters(), 0.1), np.eye(2), np.eye(2),
           epochs=1, checkpoint=path)


WRITERS = {
    "tg.save": ("a.safetensors", lambda path: tg.save(path, network())),
    "tg.export_onnx": ("a.onnx", lambda path: tg.export_onnx(network(), path)),
    "tg.report": ("a.html", lambda path: tg.report(path, network(), np.eye(2), np.eye(2))),
    "history.to_csv": ("a.csv", lambda path: records().to_csv(path)),
    "history.plot": ("a.png", lambda path: records().plot(path)),
    "plot_confusion": (
        "a.pdf", lambda path: tg.plotting.plot_confusion(np.eye(3), np.eye(3), path=path)),
    "Drawing.save": ("a.dot", lambda path: drawing().save(path)),
}


@pytest.mark.parametrize("failing", range(1, 6), ids=CALLS)
@pytest.mark.parametrize("writer", WRITERS)
def test_after_a_failure_the_old_file_is_there_and_the_error_names_it(tmp_path, writer, failing):
    name, write = WRITERS[writer]
    path = tmp_path / name
    path.write_bytes(b"old")
    with disk(failing) as counted, pytest.raises(WriteError, match=f"cannot write {path}: No sp"):
        write(path)
    assert counted.done == CALLS[:failing]
    assert content(tmp_path) == {name: b"old"}


def test_a_checkpoint_is_written_by_the_same_calls(tmp_path):
    with disk() as counted:
        train(tmp_path / "run")
    assert counted.done == ["open", *CALLS]


WRITING = {"write_text", "write_bytes", "mkstemp", "NamedTemporaryFile", "save_file", "rename",
           "replace_with", "tofile", "savez", "savetxt"}


def writes(tree):
    """The lines on which a module may write a file by itself."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        words = [*node.args[1:], *(keyword.value for keyword in node.keywords)]
        modes = [word.value for word in words if isinstance(word, ast.Constant)]
        if node.args and ast.unparse(node.args[0]) == "os.devnull":
            continue  # which keeps nothing
        if name == "open" and any(isinstance(m, str) and set(m) <= set("rwaxbt+")
                                  and set(m) & set("wax+") for m in modes):
            yield node.lineno
        if name in WRITING:
            yield node.lineno


def test_a_module_that_writes_by_itself_is_found():
    text = ("open(p, 'w')\nopen(p)\nPath(p).write_text('')\nopen(p, mode='ab')\n"
            "open(p, 'rb')\nopen(p, encoding='ascii')\nopen(os.devnull, 'w')\n")
    assert list(writes(ast.parse(text))) == [1, 3, 4]


def test_nothing_in_the_package_writes_a_file_by_itself():
    # The second hands the results of a child to its parent, in a folder that both throw away.
    own = {PACKAGE / "support" / "files.py", PACKAGE / "classroom" / "child.py"}
    found = []
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if path not in own and any(f"{name}(" in text for name in ("open", *WRITING)):
            found += [f"{path.relative_to(PACKAGE)}:{line}" for line in writes(ast.parse(text))]
    assert found == []
