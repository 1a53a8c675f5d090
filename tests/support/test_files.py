"""`write_file`: a file is the old one or the new one, never half of it."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import stat
import sys

import pytest

from tests import child
from tests.campaigns import chosen
from tests.failing_disk import content, disk
from tinygrad_mlp.errors import DataNotFoundError, InvalidArgumentError, WriteError
from tinygrad_mlp.support import files
from tinygrad_mlp.support.files import MARK, check_writable, write_file

posix = pytest.mark.skipif(sys.platform == "win32", reason="links and permissions differ there")
STEPS = ["open", "write", "flush", "fsync", "replace"]
BOTH = pytest.mark.parametrize("call", [check_writable, lambda path: write_file(path, "new")],
                               ids=["checked", "written"])


@pytest.mark.parametrize("kind", [str, lambda path: path, os.fsencode],
                         ids=["str", "path", "bytes"])
def test_the_file_is_there_and_nothing_else(tmp_path, kind):
    path = tmp_path / "a.txt"
    write_file(kind(path), "first")
    write_file(kind(path), "zwölf\n")
    assert path.read_bytes() == "zwölf\n".encode()
    write_file(kind(path), b"\x00\r\n")
    assert content(tmp_path) == {"a.txt": b"\x00\r\n"}


def test_a_relative_path_is_of_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_file("a.txt", "here")
    assert (tmp_path / "a.txt").read_text() == "here"


# -- failures --------------------------------------------------------------------------------------


def test_the_calls_that_can_fail_are_known(tmp_path):
    with disk() as counted:
        write_file(tmp_path / "a.txt", "new")
    assert counted.done == STEPS


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EBUSY])
@pytest.mark.parametrize("existing", [True, False])
@pytest.mark.parametrize("step", STEPS)
def test_whatever_fails_the_old_file_is_there_and_no_other(tmp_path, step, existing, number):
    path = tmp_path / "a.txt"
    if existing:
        path.write_text("old")
    before = content(tmp_path)
    with disk(STEPS.index(step) + 1, number), pytest.raises(WriteError) as caught:
        write_file(path, "the new content")
    assert content(tmp_path) == before
    assert caught.value.errno == number and isinstance(caught.value, OSError)
    kept = "What was there is unchanged" if existing else "Nothing was written"
    assert str(caught.value).startswith(f"cannot write {path}: {os.strerror(number)}. {kept}.")


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
def test_an_interruption_leaves_the_old_file_too(tmp_path, monkeypatch, error):
    def interrupted(handle):
        raise error

    (tmp_path / "a.txt").write_text("old")
    monkeypatch.setattr(files.os, "fsync", interrupted)
    with pytest.raises(error):
        write_file(tmp_path / "a.txt", "new")
    assert content(tmp_path) == {"a.txt": b"old"}


LIMITED = """
import resource, signal, sys
import numpy as np
import tinygrad_mlp as tg

sys.dont_write_bytecode = True  # or it would be cut off and kept
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    tg.save(sys.argv[1], tg.nn.Linear(40, 40, rng=np.random.default_rng(0)))
except OSError as error:
    print(error.errno, error)
"""


@posix
def test_a_file_that_grows_too_large_for_the_system_leaves_the_old_one(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_text("old")
    done = child.python("-c", LIMITED, path)
    assert done.stdout.startswith(f"{errno.EFBIG} cannot write {path}: File too large."), done
    assert content(tmp_path) == {path.name: b"old"}


# -- what cannot be written is found before there is content ---------------------------------------


@BOTH
def test_a_missing_folder_is_named(tmp_path, call):
    with pytest.raises(DataNotFoundError, match="there is no folder .*missing. Create it."):
        call(tmp_path / "missing" / "a.txt")


@BOTH
def test_a_folder_is_not_written_over(tmp_path, call):
    folder = tmp_path / "results"
    folder.mkdir()
    with pytest.raises(InvalidArgumentError, match="results: it is a folder"):
        call(folder)
    assert list(tmp_path.iterdir()) == [folder]


@BOTH
@pytest.mark.parametrize("name", ["n" * 300, "n/" * 3000 + "n"], ids=["name", "path"])
def test_a_name_that_is_too_long_is_refused(tmp_path, call, name):
    with pytest.raises((WriteError, DataNotFoundError), match="cannot write .*nnn|no folder"):
        call(tmp_path / name)
    assert content(tmp_path) == {}


@BOTH
def test_the_longest_name_that_the_system_takes_can_be_written(tmp_path, call):
    call(tmp_path / ("n" * 255))
    assert len(content(tmp_path)) <= 1


@BOTH
def test_a_path_with_a_null_character_is_refused(tmp_path, call):
    with pytest.raises(InvalidArgumentError, match="null character"):
        call(f"{tmp_path}/a\0b")


@BOTH
def test_a_file_in_place_of_a_folder_is_named(tmp_path, call):
    (tmp_path / "a").write_text("")
    with pytest.raises(DataNotFoundError, match="there is no folder"):
        call(tmp_path / "a" / "b")


AS_NOBODY = """
import os, sys
from tinygrad_mlp.support.files import check_writable, write_file

if os.getuid() == 0:
    os.setgid(65534), os.setuid(65534)
for call in (check_writable, lambda path: write_file(path, "new")):
    try:
        call(sys.argv[1])
        print("written")
    except OSError as error:
        print(error)
"""


def as_nobody(path):
    """What `check_writable` and `write_file` say to a user without rights."""
    return child.python("-c", AS_NOBODY, path, check=True).stdout.splitlines()


@pytest.fixture
def open_to_all(tmp_path):
    """A folder that every user may enter; those above it belong to the user of the tests."""
    if sys.platform == "win32":
        pytest.skip("permissions are of another kind there")
    for folder in (tmp_path, *tmp_path.parents):
        if stat.S_IMODE(folder.stat().st_mode) & 0o005 != 0o005:
            if folder.stat().st_uid != os.getuid():
                pytest.skip("other users cannot come here")
            folder.chmod(stat.S_IMODE(folder.stat().st_mode) | 0o005)
    return tmp_path


@pytest.mark.parametrize("existing", [True, False])
def test_a_folder_without_permission_is_refused(open_to_all, existing):
    path = open_to_all / "a.txt"
    if existing:
        path.write_text("old")
        path.chmod(0o666)
    open_to_all.chmod(0o555)
    said = as_nobody(path)
    assert len(said) == 2
    assert all(f"cannot write {path}: Permission denied." in line for line in said), said
    assert content(open_to_all) == ({"a.txt": b"old"} if existing else {})


def test_a_read_only_file_is_refused(open_to_all):
    path = open_to_all / "a.txt"
    path.write_text("old")
    path.chmod(0o444)
    open_to_all.chmod(0o777)
    assert all("the file there is read-only" in line for line in as_nobody(path))
    assert content(open_to_all) == {"a.txt": b"old"}


# -- links, permissions, devices -------------------------------------------------------------------


@posix
@pytest.mark.parametrize("existing", [True, False], ids=["existing", "dangling"])
@pytest.mark.parametrize("steps", [1, 2])
def test_a_link_stays_a_link_and_its_target_is_written(tmp_path, existing, steps):
    (tmp_path / "far").mkdir()
    target, link = tmp_path / "far" / "target", tmp_path / "link"
    if existing:
        target.write_text("old")
        target.chmod(0o640)
    for _ in range(steps - 1):
        (tmp_path / "between").symlink_to(target)
        target = tmp_path / "between"
    link.symlink_to(os.path.relpath(target, tmp_path))
    write_file(link, "new")
    assert link.is_symlink() and target.is_symlink() == (steps == 2)
    assert (tmp_path / "far" / "target").read_text() == "new"
    assert len(content(tmp_path)) == 1 + steps
    if existing:
        assert stat.S_IMODE(link.stat().st_mode) == 0o640


@posix
@BOTH
def test_links_that_lead_nowhere_are_refused(tmp_path, call):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(WriteError, match="loop: Too many levels of symbolic links"):
        call(tmp_path / "loop")
    (tmp_path / "away").symlink_to(tmp_path / "missing" / "a")
    with pytest.raises(DataNotFoundError, match="away: there is no folder .*missing"):
        call(tmp_path / "away")
    assert (tmp_path / "loop").is_symlink() and (tmp_path / "away").is_symlink()


@posix
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_new_file_has_the_permissions_any_new_file_has(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        write_file(tmp_path / "a.txt", "")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == mode


@posix
@pytest.mark.parametrize("mode", [0o600, 0o644, 0o666, 0o755, 0o640])
def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path, mode):
    path = tmp_path / "a.txt"
    path.write_text("old")
    path.chmod(mode)
    write_file(path, "new")
    assert path.read_text() == "new" and stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0,
                    reason="only root can give files away")
def test_a_file_that_is_replaced_keeps_its_owner(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    os.chown(path, 1234, 4321)
    path.chmod(0o4750)
    write_file(path, "new")
    found = path.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1234, 4321, 0o4750)


@posix
def test_owner_and_permissions_are_let_go_where_the_system_has_none(tmp_path, monkeypatch):
    def refused(*arguments, **options):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    path = tmp_path / "a.txt"
    path.write_text("old")
    monkeypatch.setattr(files.os, "chown", refused)
    monkeypatch.setattr(files.os, "chmod", refused)
    write_file(path, "new")
    assert content(tmp_path) == {"a.txt": b"new"}


@posix
def test_another_name_of_the_file_keeps_the_old_content(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    os.link(tmp_path / "a.txt", tmp_path / "b.txt")
    write_file(tmp_path / "a.txt", "new")
    assert content(tmp_path) == {"a.txt": b"new", "b.txt": b"old"}


@posix
def test_a_device_is_written_and_not_replaced():
    check_writable("/dev/null")
    write_file("/dev/null", "lost")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full device")
def test_a_full_device_is_named():
    with pytest.raises(WriteError, match="cannot write /dev/full: No space left on device"):
        write_file("/dev/full", "lost")


@posix
def test_a_pipe_gets_the_content(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_file(tmp_path / "pipe", "for the reader")
    assert os.read(reader, 100) == b"for the reader"
    os.close(reader)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


@pytest.mark.skipif(not os.path.exists("/dev/stdout"), reason="streams have no path")
def test_standard_output_named_as_a_file_stays_where_it_leads(tmp_path):
    code = ("import sys; from tinygrad_mlp.support.files import write_file; "
            "print('first', flush=True); write_file('/dev/stdout', 'second\\n'); "
            "print('third')")
    with open(tmp_path / "out", "a") as out:
        child.python("-c", code, stdout=out, check=True)
    assert content(tmp_path) == {"out": b"first\nsecond\nthird\n"}


# -- temporary files of killed writers -------------------------------------------------------------

DYING = """
import os, signal, sys
from tinygrad_mlp.support import files

def die(handle):
    os.kill(os.getpid(), signal.SIGKILL)

files.os.fsync = die
files.write_file(sys.argv[1], "half")
"""


@pytest.fixture
def abandoned(tmp_path):
    """The temporary file of a process that was killed while it wrote a.txt."""
    if not hasattr(signal, "SIGKILL"):
        pytest.skip("nothing kills like SIGKILL here")
    (tmp_path / "a.txt").write_text("old")
    assert child.python("-c", DYING, tmp_path / "a.txt").returncode == -signal.SIGKILL
    left = content(tmp_path)
    assert left.pop("a.txt") == b"old"
    [name] = left
    assert name.startswith(MARK)
    return tmp_path / name


@pytest.mark.parametrize("call", [check_writable, lambda path: write_file(path, "new")],
                         ids=["checked", "written"])
def test_the_temporary_file_of_a_killed_writer_is_removed_by_the_next(abandoned, call):
    call(abandoned.parent / "b.txt")
    assert not abandoned.exists()
    assert (abandoned.parent / "a.txt").read_text() == "old"


def test_the_temporary_file_of_a_living_writer_stays(tmp_path, monkeypatch):
    rename, seen = os.replace, []

    def slow(temporary, target):
        if not seen:
            seen.append(temporary)
            write_file(tmp_path / "b.txt", "another")  # which removes abandoned files
            other = ("from tinygrad_mlp.support.files import write_file; "
                     f"write_file({os.fspath(tmp_path / 'c.txt')!r}, 'a third')")
            child.python("-c", other, check=True)
        rename(temporary, target)

    monkeypatch.setattr(files.os, "replace", slow)
    write_file(tmp_path / "a.txt", "new")
    assert content(tmp_path) == {"a.txt": b"new", "b.txt": b"another", "c.txt": b"a third"}


@posix
def test_a_file_removed_before_it_was_locked_is_made_anew(tmp_path, monkeypatch):
    lock, removed = files._lock, []

    def late(handle, wait):
        if not removed:
            removed.extend(tmp_path.iterdir())
            removed[0].unlink()  # as another process may that takes it for abandoned
        return lock(handle, wait=wait)

    monkeypatch.setattr(files, "_lock", late)
    write_file(tmp_path / "a.txt", "new")
    assert removed and content(tmp_path) == {"a.txt": b"new"}


MANY = """
import sys
from tinygrad_mlp.support import files

files.os.fsync = lambda handle: None  # which takes the time
for i in range(int(sys.argv[2])):
    files.write_file(f"{sys.argv[1]}/{i % 3}", b"x" * 1000)
"""


@posix
def test_writers_beside_each_other_do_not_disturb_each_other(tmp_path):
    with contextlib.ExitStack() as beside:
        words = [sys.executable, "-c", MANY, tmp_path, chosen(150, 5000)]
        writers = [beside.enter_context(child.started(words)) for _ in range(chosen(2, 4))]
        assert [writer.wait() for writer in writers] == [0] * len(writers)
    assert content(tmp_path) == {str(i): b"x" * 1000 for i in range(3)}


@posix
def test_nothing_but_abandoned_files_is_removed(tmp_path):
    (tmp_path / "precious").write_text("kept")
    (tmp_path / f"{MARK}link").symlink_to(tmp_path / "precious")
    (tmp_path / f"{MARK}folder").mkdir()
    os.mkfifo(tmp_path / f"{MARK}pipe")
    write_file(tmp_path / "a.txt", "new")
    assert (tmp_path / "precious").read_text() == "kept"
    assert (tmp_path / f"{MARK}folder").is_dir()
