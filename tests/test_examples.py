"""Every program in examples/ runs, prints something and draws a picture."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
PNG = b"\x89PNG\r\n\x1a\n"
LINES = 60


@pytest.fixture
def run(tmp_path):
    """Run an example in an empty folder as a user does, warnings being errors; its output."""

    def run_in_empty_folder(path, *arguments):
        # One thread: what is small is slower on many, and tests may run side by side.
        environment = os.environ | {
            "MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT),
            "PYTHONIOENCODING": "utf-8",
        }  # fmt: skip
        environment.pop("TINYGRAD_MLP_DATA", None)
        done = subprocess.run(
            [sys.executable, "-W", "error", str(path), *arguments],
            cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8", timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run_in_empty_folder


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_prints_its_result_and_draws_a_picture(path, run, tmp_path):
    assert run(path).strip()

    made = [file.name for file in tmp_path.iterdir()]
    assert made == [f"{path.stem}.png"]
    assert (tmp_path / made[0]).read_bytes().startswith(PNG)
    assert (tmp_path / made[0]).stat().st_size > 10_000  # an empty figure is smaller


def test_example_saves_to_the_path_it_is_given(run, tmp_path):
    run(ROOT / "examples" / "xor.py", "other.png")

    assert [file.name for file in tmp_path.iterdir()] == ["other.png"]


def test_document_without_the_full_data_says_so_and_uses_the_small_digits(run, tmp_path):
    output = run(ROOT / "examples" / "document.py", "mnist", "other.png")

    assert "TINYGRAD_MLP_DATA is not set" in output
    assert "64 features" in output
    assert [file.name for file in tmp_path.iterdir()] == ["other.png"]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_is_short_enough_to_be_read_in_one_sitting(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < LINES
