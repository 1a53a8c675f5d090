"""A class with everything in it: each file gets its line, whatever it does."""

import pytest

from tests.classroom.conftest import FILES, FORGOT_N, TEACHER, notebook
from tinygrad_mlp.classroom import confinement
from tinygrad_mlp.classroom.marking import groups, marked
from tinygrad_mlp.classroom.reference import read_reference
from tinygrad_mlp.classroom.runner import Limits, explain
from tinygrad_mlp.classroom.submissions import read, submissions
from tinygrad_mlp.errors import InvalidArgumentError

LIMITED = pytest.mark.skipif(not confinement.LINUX, reason="only the time is limited here")

EXPECTED = {
    "right": ("right", "right"), "order": ("right", "right"), "notebook": ("right", "right"),
    "own_order": ("right", "right"), "names": ("right", "right"), "with_loss": ("right", "right"),
    "forgot_n": ("wrong", "wrong"), "forgot_n_too": ("wrong", "wrong"),
    "mean": ("right", "wrong"), "no_b": ("right", "missing"),
    "other_name": ("right", "missing"), "no_numbers": ("right", "missing"),
    "differences": ("wrong", "wrong"), "random_numbers": ("wrong", "wrong"),
    "patched": ("wrong", "wrong"), "closed_output": ("right", "right"),
    "flooded_output": ("right", "right"), "ana_12_file_": ("right", "right"),
    "ben_13_file_": ("right", "right")}
"""The files that give something; all others give nothing that can be checked."""

NOTES = {
    "notebook": "not run: cell 1, line 1, cell 1, line 3",
    "differences": "numerical differentiation",
    "syntax": "this is no Python: expected ':' (line 1)", "fails": "ValueError",
    "nothing": "defines no 'derived'", "torch_used": "torch is not allowed here (line 1)",
    "grad_used": "tinygrad_mlp.grad is not allowed here (line 2)", "system_exit": "SystemExit: bye",
    "os_exit": "ended its process without an answer", "os_exit_inside": "exit code 3",
    "endless": "stopped after", "control": "ValueError", "forges": "without an answer",
    "links": "without an answer", "other_name": "derived also gave bias",
    "no_numbers": "Got object for b", "returns_none": "arrays of numbers. Got NoneType",
    "no_function": "derived must be a function. Got {}"}


@pytest.fixture(scope="module")
def reference(teacher):
    """What the class is marked by."""
    return read_reference(teacher)


@pytest.fixture(scope="module")
def marks(classroom, teacher, reference):
    """The marks of the whole class, by name."""
    found = submissions([classroom], exclude=[teacher])
    limits = Limits(seconds=5, memory=2 * 2**30)
    return {mark.submission.name: mark
            for mark in marked(reference, found, limits, jobs=2, hint=3, search=1)}


def test_every_file_has_its_line_in_the_table(marks):
    folders = {name.partition("/")[0].rpartition(".")[0] or name.partition("/")[0]
               for name in FILES}
    assert set(marks) == folders


@pytest.mark.parametrize("name", EXPECTED)
def test_each_gradient_is_judged_by_itself(marks, name):
    assert tuple(marks[name].gradients.values()) == EXPECTED[name]


def test_a_file_that_gives_nothing_is_not_checked(marks):
    loose = {"forks", "kills", "no_reading", "no_network", "large"}
    for name in marks.keys() - EXPECTED.keys() - loose:
        assert set(marks[name].gradients.values()) == {"not checked"}, name
        assert marks[name].points == 0


@pytest.mark.parametrize("name", NOTES)
def test_the_note_says_what_stopped_a_file(marks, name):
    assert NOTES[name] in " ".join(marks[name].notes)


def test_weights_count_the_right_gradients(marks):
    assert (marks["right"].points, marks["mean"].points, marks["no_b"].points) == (3, 2, 2)


def test_the_same_mistake_in_several_files_is_told_together(marks):
    found = [{mark.submission.name for mark in some} for _, some in groups(list(marks.values()))]
    assert any({"forgot_n", "forgot_n_too"} <= names for names in found)
    assert all(len(names) > 1 for names in found)


def test_the_wrong_line_is_shown_in_the_students_own_file(marks):
    assert marks["forgot_n"].place == "line 7"
    assert "summed, not averaged" in marks["forgot_n"].told
    assert marks["mean"].place == "line 8"
    assert "dZ.sum(axis=0)" in marks["mean"].explanation.repair


def test_the_first_hint_shows_the_line_and_nothing_else(reference, classroom):
    one = read("forgot_n", classroom / "forgot_n.py")
    told = explain(reference, one, Limits(), hint=1, search=2)
    assert told.line == 7
    assert (told.expected, told.repair) == (None, None)
    assert "averaged" not in told.text


@pytest.mark.parametrize(("hint", "told"), [(1, ""), (2, "averaged")])
def test_a_cause_is_told_from_the_second_hint_on(reference, classroom, hint, told):
    one = read("forgot_n", classroom / "forgot_n.py")
    (mark,) = marked(reference, [one], Limits(), jobs=1, hint=hint, search=0)  # finds no line
    assert mark.place == ""
    assert told in mark.told
    assert ("averaged" in mark.told) == (hint > 1)
    assert "averaged" in mark.message


def test_lines_in_what_a_student_reads_are_those_of_the_students_file(reference, tmp_path):
    path = tmp_path / "ada.ipynb"
    path.write_text(notebook("import numpy as np", FORGOT_N))
    (mark,) = marked(reference, [read("ada", path)], Limits(), jobs=1, hint=3, search=5)
    assert mark.place == "cell 2, line 7"
    assert "# cell 2, line 7" in mark.told
    assert "line 8" not in mark.told
    assert "(line" not in mark.message  # the loss has lines, too


def test_a_message_never_holds_control_characters(marks):
    assert all(c == "\n" or c.isprintable() for c in " ".join(marks["control"].notes))


@LIMITED
def test_memory_and_processes_are_limited(marks):
    assert "MemoryError" in " ".join(marks["large"].notes)
    assert not marks["forks"].ok


@pytest.mark.skipif(not confinement.landlock_version(), reason="the kernel has no Landlock")
def test_the_teachers_file_cannot_be_read(marks):
    assert "PermissionError" in " ".join(marks["no_reading"].notes)


@pytest.mark.skipif(not (confinement.landlock_version() or confinement.launcher()),
                    reason="nothing keeps a submission from the network here")
def test_there_is_no_network(marks):
    assert "Error" in " ".join(marks["no_network"].notes)


@pytest.mark.parametrize("accepted", ['ignoring = ["summed", "decay"]', "scale = n"])
def test_a_convention_of_the_course_is_right(tmp_path, accepted):
    teacher = tmp_path / "teacher.py"
    teacher.write_text(TEACHER + f"\n\n{accepted}\n")
    for name in ("forgot_n.py", "mean.py"):
        (tmp_path / name).write_text(FILES[name])
    found = submissions([tmp_path], exclude=[teacher])
    limits = Limits(seconds=10, memory=2 * 2**30)
    marks = {mark.submission.name: mark.gradients for mark in marked(
        read_reference(teacher), found, limits, jobs=2, hint=3, search=0)}
    assert set(marks["forgot_n"].values()) == {"right"}
    assert marks["mean"]["b"] == "wrong"


@pytest.mark.parametrize("wrong", ['ignoring = ["sum"]', "scale = 0"])
def test_a_convention_that_makes_no_sense_is_refused(tmp_path, wrong):
    teacher = tmp_path / "teacher.py"
    teacher.write_text(TEACHER + f"\n\n{wrong}\n")
    with pytest.raises(InvalidArgumentError, match=r"teacher\.py: (ignoring|scale) must be"):
        read_reference(teacher)
