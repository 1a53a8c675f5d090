"""`atomic_path`: a file is the old one or the new one, never half of it."""

from __future__ import annotations

import os
import stat
import sys

import pytest

from tinygrad_mlp.errors import DataNotFoundError, InvalidArgumentError
from tinygrad_mlp.support.files import atomic_path


def write(path, text):
    with atomic_path(path) as temporary, open(temporary, "w") as file:
        file.write(text)


@pytest.mark.parametrize("kind", [str, lambda path: path], ids=["text", "path object"])
def test_the_file_is_there_when_the_block_has_ended_and_nothing_else(tmp_path, kind):
    path = tmp_path / "a.txt"
    write(kind(path), "first")
    write(kind(path), "second")
    assert path.read_text() == "second"
    assert list(tmp_path.iterdir()) == [path]


def test_a_relative_path_is_of_the_current_folder_even_if_that_changes(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with atomic_path("a.txt") as temporary, open(temporary, "w") as file:
        file.write("here")
        os.chdir("elsewhere")
    assert (tmp_path / "a.txt").read_text() == "here"


def test_until_then_readers_see_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with atomic_path(path) as temporary:
        with open(temporary, "w") as file:
            file.write("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt(), SystemExit(1)])
@pytest.mark.parametrize("existing", [True, False])
def test_after_an_error_the_old_file_is_there_and_no_other(tmp_path, error, existing):
    path = tmp_path / "a.txt"
    if existing:
        path.write_text("old")
    with pytest.raises(type(error)) as caught, atomic_path(path) as temporary:
        with open(temporary, "w") as file:
            file.write("half of the n")
        raise error
    assert caught.value is error
    left = {p.name: p.read_text() for p in tmp_path.iterdir()}
    assert left == ({"a.txt": "old"} if existing else {})


def test_an_error_is_not_hidden_by_a_temporary_file_that_is_gone(tmp_path):
    with pytest.raises(ValueError, match="the real one"), atomic_path(tmp_path / "a") as temporary:
        os.unlink(temporary)
        raise ValueError("the real one")


def test_the_temporary_file_has_the_same_ending_and_lies_in_the_same_folder(tmp_path):
    with atomic_path(tmp_path / "curves.v2.png") as temporary:
        assert temporary.endswith(".png")
        assert os.path.dirname(temporary) == str(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are of another kind there")
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_the_file_has_the_permissions_any_new_file_has(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        write(tmp_path / "a.txt", "")
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == mode


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataNotFoundError, match="there is no folder .*missing. Create it."):
        write(tmp_path / "missing" / "a.txt", "")


def test_a_folder_is_not_written_over(tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    with pytest.raises(InvalidArgumentError, match="results: it is a folder"):
        write(folder, "")
    assert list(tmp_path.iterdir()) == [folder]
