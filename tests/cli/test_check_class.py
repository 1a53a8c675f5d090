"""``tinygrad-mlp check FOLDER --reference``: table, files and exit codes; ``exercise``."""

import csv
import json
import re

import pytest

from tests.classroom.conftest import DIFFERENCES, STUDENT, TEACHER
from tinygrad_mlp.classroom import exercises, feedback
from tinygrad_mlp.classroom.marking import MISSING, NOT_CHECKED, RIGHT, WRONG, Mark
from tinygrad_mlp.classroom.submissions import Submission
from tinygrad_mlp.cli import check_class


@pytest.fixture
def folder(tmp_path):
    """A class of three, and the teacher's file among theirs."""
    (tmp_path / "class").mkdir()
    for name, text in {"ada": STUDENT, "ben": STUDENT.replace(" / n", ""),
                       "=eve": DIFFERENCES, "teacher": TEACHER}.items():
        (tmp_path / "class" / f"{name}.py").write_text(text)
    return tmp_path / "class"


def test_a_class_is_marked_and_everything_written(run, folder):
    out = folder.parent
    shown = run("check", folder, "--reference", folder / "teacher.py", "--csv", out / "marks.csv",
                "--gradescope", out / "results.json", "--feedback", out / "feedback", "--jobs", "2")
    assert shown.code == 1
    assert "1 of 3 files right." in shown.out
    rows = list(csv.DictReader((out / "marks.csv").read_text().splitlines()))
    assert {row["name"]: row["points"] for row in rows} == {"ada": "3", "ben": "0", "'=eve": "0"}
    assert {row["place"] for row in rows} == {"", "line 7"}  # an empty cell is no formula
    results = json.loads((out / "results.json").read_text())
    assert results["ada"]["score"] == 3
    assert [test["max_score"] for test in results["ada"]["tests"]] == [2, 1]
    assert "summed, not averaged" in (out / "feedback" / "ben.txt").read_text()
    assert "<title>ben</title>" in (out / "feedback" / "ben.html").read_text()


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
def test_the_table_holds_every_verdict_on_a_terminal_of_any_width(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    verdicts = [WRONG, MISSING, NOT_CHECKED, RIGHT] * 5
    gradients = {f"W{i}": verdict for i, verdict in enumerate(verdicts)}
    one = Submission("Ada Long-Name " * 5, "ada.py", "", [], [], [])
    table = check_class._table([one])
    lines = table.line(*check_class._cells(Mark(one, gradients, 12.5), table.headings[0].width))
    assert all(len(line) <= columns for line in lines.splitlines())
    words = re.findall(r"[\w.]+", lines)
    assert {"12.5", "WRONG", "missing", "checked"} <= set(words)
    assert {word for word in words if word in gradients} == {
        name for name, verdict in gradients.items() if verdict != RIGHT}


def test_files_that_were_not_marked_are_counted():
    one = Mark(Submission("ada", "ada.py", "", [], [], []), {"W": RIGHT})
    assert check_class._summary([one], 0).endswith("1 of 1 files right.")
    assert check_class._summary([one], 3).endswith("1 of 4 files right, 3 not marked.")


def test_nothing_is_left_of_the_progress_at_the_end(monkeypatch, capsys):
    monkeypatch.setattr(check_class.sys.stderr, "isatty", lambda: True, raising=False)
    for done in range(1, 11):
        check_class._progress(done, 10)
    written = capsys.readouterr().err
    assert "9 of 10" in written
    assert written.rstrip("\r").rpartition("\r")[2] == " " * len("10 of 10")


def test_no_two_students_share_a_file_of_feedback():
    names = ["Ada L", "Ada_L", "ada:l", "", "é" * 300, "é" * 301, "../x"]
    marks = [Mark(Submission(name, "x.py", "", [], [], []), {}) for name in names]
    found = feedback.file_names(marks)
    assert len({name.casefold() for name in found}) == len(names)
    assert all(len(name.encode()) < 250 and "/" not in name for name in found)


def test_a_class_that_is_right_ends_with_success(run, folder):
    for name in ("ben.py", "=eve.py"):
        (folder / name).unlink()
    shown = run("check", folder, "--reference", folder / "teacher.py", "--json")
    document = json.loads(shown.out)
    assert shown.code == 0
    assert document["counts"] == {"right": 2, "wrong": 0, "missing": 0, "not checked": 0}


@pytest.mark.parametrize(("text", "told"), [
    ("loss = 3", "must define loss"), ("def loss(W): return W.sum()", "must define the point"),
    ("1 / 0", "cannot be run: ZeroDivisionError"),
    (TEACHER + "\nweights = {'Q': 1}\n", "weights must be a dict"),
    (TEACHER + "\nfiles = ['data.npy']\n", "which does not exist"),
    (TEACHER + "\nforbidden = 'torch'\n", "forbidden must be a list"),
    (TEACHER + "\nhidden_points = [{'W': 1}]\n", "must hold dicts with the keys W, b")])
def test_a_mistake_in_the_reference_is_told_and_nothing_is_marked(run, folder, text, told):
    path = folder / "teacher.py"
    path.write_text(text)
    shown = run("check", folder, "--reference", path)
    assert shown.code == 2
    assert told in shown.err.replace("\n", " ")


def test_an_empty_folder_is_refused(run, tmp_path):
    (tmp_path / "teacher.py").write_text(TEACHER)
    (tmp_path / "empty").mkdir()
    shown = run("check", tmp_path / "empty", "--reference", tmp_path / "teacher.py")
    assert shown.code == 2
    assert "Got none" in shown.err


def test_an_exercise_is_written_and_its_check_finds_the_mistake(run, tmp_path):
    path = tmp_path / "exercise.py"
    shown = run("exercise", "softmax", "--mistake", "1", "--out", path, "--solution")
    assert shown.code == 0
    assert "The mistake: the loss is a mean over samples." in shown.out
    assert run("check", path).code == 1
    assert run("exercise", "softmax", "--mistake", "none", "--out", path).code == 0
    assert run("check", path).code == 0


@pytest.mark.parametrize("name", exercises.EXERCISES)
def test_the_solution_shows_the_wrong_line_and_the_right_one(run, name):
    for number in range(1, len(exercises.mistakes(name)) + 1):
        shown = run("exercise", name, "--mistake", str(number), "--solution").out
        *_, wrong, right = shown.splitlines()
        assert wrong.startswith("Wrong: ")
        assert right.startswith("Right: ")
        assert wrong.removeprefix("Wrong: ") in exercises.exercise(name, number)
        assert right.removeprefix("Right: ") in exercises.exercise(name)


def test_a_random_mistake_depends_on_the_seed_only(run):
    first, again = (json.loads(run("exercise", "lstm", "--seed", "3", "--json").out)["mistake"]
                    for _ in range(2))
    assert first == again


def test_exercises_are_listed(run):
    assert len(json.loads(run("exercise", "--json").out)["exercises"]) == 10


@pytest.mark.parametrize(("words", "told"), [
    (["tensors"], "the name must be one of"), (["lstm", "--mistake", "99"], "the mistakes 1 to 6"),
    (["lstm", "--mistake", "first"], "must be a number from 1 to 6")])
def test_an_exercise_that_does_not_exist_is_refused(run, words, told):
    shown = run("exercise", *words)
    assert shown.code == 2
    assert told in shown.err.replace("\n", " ")


@pytest.mark.parametrize("option", ["--csv", "--feedback", "--gradescope"])
def test_a_file_for_a_class_is_refused_without_a_reference(run, tmp_path, option):
    shown = run("check", "tanh", option, tmp_path / "file")
    assert shown.code == 2
    assert f"{option} is written for a class" in shown.err
