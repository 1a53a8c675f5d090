"""How the files of a class are found and read, before anything is run."""

import pytest

from tests.classroom.conftest import STUDENT, TEACHER
from tinygrad_mlp.classroom.reference import read_reference
from tinygrad_mlp.classroom.submissions import forbidden_uses, read, submissions


@pytest.mark.parametrize(("data", "problem"), [
    (("\ufeff" + STUDENT).encode(), ""), (STUDENT.replace("\n", "\r\n").encode(), ""),
    ("# coding: latin-1\n# für\n".encode("latin-1") + STUDENT.encode(), ""),
    ("# für\n".encode("latin-1"), "not in UTF-8"), (STUDENT.encode("utf-16"), "not in UTF-8"),
    (b"x = 1\0", "null bytes"), (b"def f(:\n", "(line 1)"), (b"#" * (10 * 2**20 + 1), "larger")])
def test_a_program_is_read_as_python_reads_it(tmp_path, data, problem):
    path = tmp_path / "ada.py"
    path.write_bytes(data)
    one = read("ada", path)
    assert problem in one.problem
    assert bool(one.problem) == bool(problem)
    assert "None" not in one.problem


def test_links_are_not_followed(tmp_path):
    secret = tmp_path / "secret.py"
    secret.write_text(STUDENT)
    folder = tmp_path / "class"
    (folder / "ben").mkdir(parents=True)
    (folder / "ben" / "main.py").write_text(STUDENT)
    for link, target in {"ada.py": secret, "eve.py": "nowhere", "all": tmp_path,
                         "ben/data.txt": secret}.items():
        (folder / link).symlink_to(target)
    found = {one.name: one for one in submissions([folder], exclude=[])}
    assert set(found) == {"ada", "ben", "eve"}
    assert "link" in found["ada"].problem
    assert "link" in found["eve"].problem
    assert (found["ben"].problem, found["ben"].extra) == ("", [])


def test_files_of_one_name_are_told_apart(tmp_path):
    for group in ("monday", "tuesday"):
        (tmp_path / group).mkdir()
        (tmp_path / group / "ada.py").write_text(STUDENT)
    found = submissions([tmp_path / "monday", tmp_path / "tuesday"], exclude=[])
    assert len({one.name for one in found}) == 2


@pytest.mark.parametrize("use", [
    "import numpy as np\nnp.linalg.inv(X)", "from numpy.linalg import inv\ninv(X)",
    "from numpy.linalg import inv as f", "import numpy.linalg\nnumpy.linalg.inv(X)"])
@pytest.mark.parametrize("name", ["inv", "np.linalg.inv", "numpy.linalg"])
def test_a_name_that_the_teacher_forbids_is_found(tmp_path, use, name):
    path = tmp_path / "teacher.py"
    path.write_text(TEACHER + f"\nforbidden = [{name!r}]\n")
    assert [*forbidden_uses(use, read_reference(path).forbidden)]


def test_a_variable_with_the_name_of_a_library_is_allowed(teacher):
    assert not [*forbidden_uses("jax = X.torch\njax", read_reference(teacher).forbidden)]
