"""A class of students: their files, most of them with something wrong or hostile in them."""

import json

import pytest

TEACHER = """
import numpy as np

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(6, 4)), np.eye(3)[rng.integers(0, 3, 6)]
n = len(X)
parameters = {"W": rng.normal(size=(4, 3)), "b": rng.normal(size=3)}
weights = {"W": 2}
hidden_points = [{"W": rng.normal(size=(4, 3)), "b": rng.normal(size=3)} for _ in range(2)]


def loss(W, b):
    Z = X @ W + b
    E = np.exp(Z - Z.max(axis=1, keepdims=True))
    P = E / E.sum(axis=1, keepdims=True)
    return -np.sum(Y * np.log(P)) / n
"""

STUDENT = """import numpy as np

def derived(W, b):
    Z = X @ W + b
    E = np.exp(Z - Z.max(axis=1, keepdims=True))
    P = E / E.sum(axis=1, keepdims=True)
    dZ = (P - Y) / n
    return {"W": X.T @ dZ, "b": dZ.sum(axis=0)}
"""

DIFFERENCES = """import numpy as np

def loss(W, b):
    Z = X @ W + b
    return -np.sum(Y * (Z - np.log(np.exp(Z).sum(axis=1, keepdims=True)))) / n

def derived(W, b):
    point, found = {"W": W, "b": b}, {}
    for name, p in point.items():
        found[name] = np.zeros_like(p)
        for i in np.ndindex(p.shape):
            old = p[i]
            p[i] = old + 1e-6
            up = loss(**point)
            p[i] = old - 1e-6
            found[name][i] = (up - loss(**point)) / 2e-6
            p[i] = old
    return found
"""

FORGOT_N = STUDENT.replace("(P - Y) / n", "P - Y")


def notebook(*cells):
    """Return a notebook with these code cells, as text."""
    written = [{"cell_type": "code", "source": cell.splitlines(True)} for cell in cells]
    return json.dumps({"cells": [{"cell_type": "markdown", "source": "# Homework"}, *written],
                       "nbformat": 4, "nbformat_minor": 5, "metadata": {}})


FILES = {
    "right.py": STUDENT,
    "order.py": STUDENT.replace('{"W": X.T @ dZ, "b": dZ.sum(axis=0)}',
                                "X.T @ dZ, dZ.sum(axis=0)"),
    "notebook.ipynb": notebook("%matplotlib inline\nimport numpy as np\n!pip list",
                               STUDENT.removeprefix("import numpy as np\n")),
    "own_order.py": STUDENT.replace("derived(W, b)", "derived(b, W)").replace(
        '{"W": X.T @ dZ, "b": dZ.sum(axis=0)}', "dZ.sum(axis=0), X.T @ dZ"),
    "names.py": STUDENT.replace('return {"W": X.T @ dZ, "b": dZ.sum(axis=0)}',
                                "dW, db = X.T @ dZ, dZ.sum(axis=0)\n    return db, dW"),
    "with_loss.py": STUDENT.replace('return {', 'return 0.5, {'),
    "forgot_n.py": FORGOT_N,
    "forgot_n_too.py": FORGOT_N + "\n# handed in late\n",
    "mean.py": STUDENT.replace("dZ.sum(axis=0)", "dZ.mean(axis=0)"),
    "no_b.py": STUDENT.replace(', "b": dZ.sum(axis=0)', ""),
    "other_name.py": STUDENT.replace('"b": dZ', '"bias": dZ'),
    "no_numbers.py": STUDENT.replace("dZ.sum(axis=0)", "object()"),
    "returns_none.py": STUDENT.replace("return", "gradients ="),
    "no_function.py": "derived = {}\n",
    "differences.py": DIFFERENCES,
    "random_numbers.py": STUDENT.replace("(P - Y) / n", "(P - Y) / n * np.random.rand()"),
    "syntax.py": "def derived(W, b)\n    return {}\n",
    "fails.py": STUDENT.replace("dZ = (P - Y) / n", "dZ = (P - Y.T) / n"),
    "nothing.py": "print('hello')\n",
    "torch_used.py": "import torch\n" + STUDENT,
    "grad_used.py": "import tinygrad_mlp as tg\nderived = tg.grad(lambda W, b: 0)\n",
    "system_exit.py": "import sys\nsys.exit('bye')\n",
    "os_exit.py": "import os\nos._exit(0)\n",
    "os_exit_inside.py": STUDENT.replace("    Z =", "    import os; os._exit(3)\n    Z ="),
    "endless.py": "while True:\n    pass\n",
    "large.py": STUDENT + "\nwaste = np.ones((100_000, 100_000))\n",
    "patched.py": """import numpy as np
import tinygrad_mlp.verify.derivations.points as points
import tinygrad_mlp.classroom.child as child

points.Point.is_right = lambda self, name: True
child.check_derivation = None
""" + FORGOT_N,
    "closed_output.py": "import os\nos.close(1)\nos.close(2)\n" + STUDENT,
    "flooded_output.py": "print('y' * 10**8)\n" + STUDENT,
    "control.py": "raise ValueError('\\x1b[2J\\x07 repaint')\n",
    "forks.py": "import os\nfor _ in range(1000):\n    os.fork()\n" + STUDENT,
    "kills.py": "import os\nos.kill(os.getppid(), 9)\n" + STUDENT,
    "forges.py": """import os
os.makedirs('out', exist_ok=True)
open('out/0.json', 'w').write('{"kind": "mapping", "keys": [["W", 0], ["b", 1]]}')
open('out/0.0.npy', 'wb').write(b'\\x80\\x04K\\x01.')
os._exit(0)
""",
    "links.py": "import os\nos.rmdir('out')\nos.symlink('/etc', 'out')\nos._exit(0)\n",
    "ana_12_file_/homework.py": STUDENT,
    "ana_12_file_/notes.txt": "done",
    "ben_13_file_/helper.py": "def rows(E):\n    return E.sum(1, keepdims=True)\n",
    "ben_13_file_/main.py": "from helper import rows\n" + STUDENT.replace(
        "E.sum(axis=1, keepdims=True)", "rows(E)"),
    "no_reading.py": "open(TEACHER_PATH).read()\n" + STUDENT,
    "no_network.py": "import socket\nsocket.create_connection(('127.0.0.1', 9), timeout=1)\n",
}


@pytest.fixture(scope="session")
def teacher(tmp_path_factory):
    """The path of the teacher's file."""
    path = tmp_path_factory.mktemp("teacher") / "teacher.py"
    path.write_text(TEACHER)
    return path


@pytest.fixture(scope="session")
def classroom(tmp_path_factory, teacher):
    """The folder of the students' files."""
    folder = tmp_path_factory.mktemp("class")
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.replace("TEACHER_PATH", repr(str(teacher))))
    return folder
