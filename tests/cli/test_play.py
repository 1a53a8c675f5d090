"""``tinygrad-mlp play``: it serves until Ctrl-C, and takes models and data from files."""

import json
import signal
import sys

import pytest

from tests import child

MODEL = """import numpy as np
import tinygrad_mlp as tg

rng = np.random.default_rng(0)
model = tg.nn.Sequential(tg.nn.Linear(2, 4, rng=rng), tg.nn.Tanh(), tg.nn.Linear(4, 2, rng=rng))
X = rng.normal(size=(40, 2))
data = X, (X[:, 0] > 0).astype(int)
"""


@pytest.mark.parametrize("words", [["digits"], ["vanishing gradient"], ["table.csv"],
                                   ["--model", "model.py"]])
def test_data_and_models_are_taken(run, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.py").write_text(MODEL)
    rows = [f"{i},{i % 3},{'ab'[i % 2]}" for i in range(20)]
    (tmp_path / "table.csv").write_text("x,y,kind\n" + "\n".join(rows))
    done = run("play", *words, "--no-browser", "--seconds", "0.1", "--json")
    document = json.loads(done.out)
    assert done.code == 0 and document["url"].startswith("http://127.0.0.1:")
    assert document["data"] in ("digits", "circles", "table.csv", "your data")


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ there")
def test_ctrl_c_ends_it_with_success():
    default = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    words = ["play", "--no-browser", "--seconds", "60"]
    program = f"{default}from tinygrad_mlp.cli import main; import sys; sys.exit(main({words}))"
    command = [sys.executable, "-c", program]
    with child.started(command, stdout=child.PIPE, stderr=child.PIPE, text=True) as made:
        assert made.stdout.readline().startswith("The playground is at http://127.0.0.1:")
        made.send_signal(signal.SIGINT)
        _, errors = made.communicate(timeout=30)
    assert made.returncode == 0 and errors == ""


def test_a_port_that_is_taken_is_told(run):
    from tinygrad_mlp.playground import play

    playground = play(hidden=(2,))
    port = playground.serve().port
    done = run("play", "--port", port, "--no-browser", "--seconds", "0.1")
    playground.close()
    assert done.code == 2 and f"port {port} is not free" in done.err
