from __future__ import annotations

import gzip
import hashlib
import io
import os
import time
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request

import numpy as np
import pytest

from tests import child
from tests.failing_disk import disk
from tinygrad_mlp.data import load, load_digits, load_mnist, mnist, preprocess, read_idx
from tinygrad_mlp.data.download import _opener, fetch
from tinygrad_mlp.errors import DataError, DataNotFoundError, InvalidArgumentError

SPELLINGS = {
    "plain": dict(compress=False),
    "gzip": dict(compress=True),
    "dotted": dict(compress=False, rename=lambda name: name.replace("-idx", ".idx")),
    "dotted gzip": dict(compress=True, rename=lambda name: name.replace("-idx", ".idx")),
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_the_files_are_found_in_every_spelling(tiny, tmp_path, spelling):
    tiny.put(tmp_path / "data", **spelling)
    dataset = load_mnist(tmp_path / "data")
    images, labels = tiny.arrays["train"]
    np.testing.assert_array_equal(dataset.X, images)
    np.testing.assert_array_equal(dataset.labels, labels)
    assert dataset.X.dtype == np.uint8
    assert (dataset.name, dataset.image_shape, dataset.n_classes) == ("mnist", (28, 28), 10)


def test_the_subsets_are_the_training_files_the_test_files_and_both(tiny, tmp_path):
    folder = tiny.put(tmp_path / "data")
    train, test, both = (load_mnist(folder, subset=name) for name in ("train", "test", "all"))
    np.testing.assert_array_equal(test.X, tiny.arrays["test"][0])
    np.testing.assert_array_equal(both.X, np.concatenate([train.X, test.X]))
    np.testing.assert_array_equal(both.labels, np.concatenate([train.labels, test.labels]))


def test_the_places_are_searched_in_their_order(tiny, tmp_path, monkeypatch, cache, idx_bytes):
    folders = [tiny.put(folder) for folder in (tmp_path / "given", tmp_path / "named", cache)]
    for i, folder in enumerate(folders):
        (folder / "train-labels-idx1-ubyte").write_bytes(idx_bytes(np.full(20, i, np.uint8)))
    monkeypatch.setenv(mnist.ENVIRONMENT, str(folders[1]))
    assert load_mnist(folders[0]).labels[0] == 0
    assert load_mnist().labels[0] == 1
    monkeypatch.setenv(mnist.ENVIRONMENT, "")
    assert load_mnist().labels[0] == 2


def test_a_home_relative_folder_is_expanded(tiny, tmp_path, monkeypatch):
    tiny.put(tmp_path / "data")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert len(load_mnist("~/data").X) == 20


def test_a_given_folder_without_the_files_is_an_error_and_nothing_else_is_tried(
    tiny, tmp_path, cache, server
):
    tiny.put(cache)
    folder = tmp_path / "empty"
    folder.mkdir()
    with pytest.raises(DataNotFoundError) as caught:
        load_mnist(folder, mirrors=[server.url("good")])
    for part in (str(folder), "lacks train-images-idx3-ubyte, train-labels-idx1-ubyte"):
        assert part in str(caught.value)
    assert server.requests == []


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.write_text("no folder"), "is not a folder"),
    ],
)
def test_a_given_folder_that_is_none_is_said_so(tmp_path, make, message):
    make(tmp_path / "data")
    with pytest.raises(DataNotFoundError, match=message):
        load_mnist(tmp_path / "data")


def test_the_named_folder_that_lacks_a_file_is_reported_and_the_cache_used(
    tiny, tmp_path, monkeypatch, cache
):
    named = tiny.put(tmp_path / "named", parts=["train"])
    monkeypatch.setenv(mnist.ENVIRONMENT, str(named))
    with pytest.raises(DataNotFoundError) as caught:
        load_mnist(subset="all", download=False)
    assert f"{named}: lacks t10k-images-idx3-ubyte, t10k-labels" in str(caught.value)
    tiny.put(cache)
    assert len(load_mnist(subset="all", download=False).X) == 26


def test_without_any_data_the_message_names_places_answers_and_the_alternative(
    tiny, server, cache, monkeypatch, tmp_path
):
    monkeypatch.setenv(mnist.ENVIRONMENT, str(tmp_path / "gone"))
    mirrors = [server.url("missing"), server.url("html")]
    with pytest.raises(DataNotFoundError) as caught:
        load_mnist(mirrors=mirrors)
    message = str(caught.value)
    for part in (
        "data_dir: not given",
        f"TINYGRAD_MLP_DATA {tmp_path / 'gone'}: does not exist",
        f"cache {cache}: does not exist",
        f"{mirrors[0]}train-images-idx3-ubyte.gz answered 404 Not Found",
        f"{mirrors[1]}train-images-idx3-ubyte.gz sent 35 bytes that are not a complete gzip file",
        "tinygrad_mlp.data.load_digits()",
        "tinygrad-mlp train digits",
    ):
        assert part in message


def test_without_permission_to_download_no_mirror_is_asked(tiny, server):
    with pytest.raises(DataNotFoundError, match="download=False"):
        load_mnist(download=False, mirrors=[server.url("good")])
    assert server.requests == []


def test_a_download_is_cached_and_asked_for_only_once(tiny, server, cache):
    for _ in range(2):
        dataset = load_mnist(mirrors=[server.url("good")])
        np.testing.assert_array_equal(dataset.X, tiny.arrays["train"][0])
    assert len(server.requests) == 2
    assert sorted(os.listdir(cache)) == [
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
    ]


def test_only_what_the_cache_lacks_is_downloaded(tiny, server, cache):
    tiny.put(cache, parts=["train"])
    assert len(load_mnist(subset="all", mirrors=[server.url("good")]).X) == 26
    assert [path.split("/")[-1][:4] for path in server.requests] == ["t10k", "t10k"]


def test_a_mirror_address_needs_no_slash_and_no_announced_length(tiny, server):
    load_mnist(mirrors=[server.url("unannounced").rstrip("/")])
    assert len(server.requests) == 2


# How a mirror fails, what is said about it, and the time-out it is given: short where the test
# waits for it, long where a busy machine must not be taken for a silent one.
FAILURES = {
    "missing": ("answered 404 Not Found", 10),
    "truncated": ("then stopped", 10),
    "shortened": ("not a complete gzip file", 10),
    "corrupt": ("not a complete gzip file", 10),
    "altered": ("with SHA-256", 10),
    "other": ("sent other data. Expected", 10),
    "html": ("and begin with b'<!DOCTYPE html><'", 10),
    "bomb": ("Found more than", 10),
    "endless": ("sent more than the", 10),
    "html_in_gzip": ("sent other data. Expected", 10),
    "moved_to_file": ("Redirection to url 'file:///etc/passwd' is not allowed", 10),
    "moved_to_ftp": ("Redirection to 'ftp://127.0.0.1:1/x.gz' is not allowed", 10),
    "moved_in_a_circle": ("answered 302 The HTTP server returned a redirect error", 10),
    "long_number": ("cannot be read: ", 10),
    "stalling": ("sent nothing for 0.3 s", 0.3),
    "silent": ("sent nothing for 0.3 s", 0.3),
}
failures = pytest.mark.parametrize(
    ("character", "message", "timeout"),
    [(character, *row) for character, row in FAILURES.items()],
    ids=FAILURES,
)


@failures
def test_a_failed_download_is_explained_and_leaves_nothing(
    tiny, server, cache, character, message, timeout
):
    with pytest.raises(DataNotFoundError) as caught:
        load_mnist(mirrors=[server.url(character)], timeout=timeout)
    (line,) = [line for line in str(caught.value).splitlines() if "http" in line]
    assert line.strip().startswith(f"{server.url(character)}train-images-idx3-ubyte.gz ")
    assert message in line
    assert not cache.exists() or os.listdir(cache) == []


@pytest.mark.parametrize("character", ["trickling", "trickling_headers", "silent"])
def test_a_mirror_that_never_ends_is_left_at_the_deadline(tiny, server, cache, character):
    begin = time.monotonic()
    with pytest.raises(DataNotFoundError, match=r"ubyte.gz took more than 0\.3 s"):
        load_mnist(mirrors=[server.url(character)], timeout=10, deadline=0.3)
    assert time.monotonic() - begin < 5
    assert not cache.exists()
    mirrors = [server.url(character), server.url("good")]
    dataset = load_mnist(mirrors=mirrors, timeout=10, deadline=0.3)
    np.testing.assert_array_equal(dataset.X, tiny.arrays["train"][0])


def test_a_redirection_to_another_address_of_the_web_is_followed(tiny, server):
    load_mnist(mirrors=[server.url("moved")])
    assert [path.split("/")[1] for path in server.requests] == ["moved", "good"] * 2


def test_a_redirection_from_https_to_http_is_not_followed():
    (handler,) = [h for h in _opener().handlers if isinstance(h, HTTPRedirectHandler)]
    request = Request("https://127.0.0.1/x")
    with pytest.raises(HTTPError, match="Redirection to 'http://127.0.0.1/y' is not allowed"):
        handler.redirect_request(request, io.BytesIO(), 302, "Found", {}, "http://127.0.0.1/y")
    assert handler.redirect_request(request, None, 302, "Found", {}, "https://127.0.0.1/y")


WRONG = {
    "mirrors": ["http://127.0.0.1/", b"http://127.0.0.1/", None, 3, ["nonsense"], [b"http://a/"],
                [None], ["file:///etc/"], ["http://a/", "ftp://a/"], [""]],
    "timeout": [0, -1, "30", None, float("nan"), float("inf"), 1e30, True, [1]],
    "deadline": [0, -1, "30", None, float("nan"), float("inf"), 1e30, True, [1]],
    "download": [None, "no", 0, []],
    "progress": [None, "no", 1, []],
}


@pytest.mark.parametrize("name", WRONG)
def test_an_argument_of_the_wrong_kind_is_refused_before_anything_is_asked(
    tiny, server, cache, name
):
    tiny.put(cache)
    for value in WRONG[name]:
        with pytest.raises(InvalidArgumentError, match=f"load_mnist: {name} must be .* Got "):
            load_mnist(**{"mirrors": [server.url("good")], name: value})
    assert server.requests == []


@failures
def test_the_second_mirror_is_used_when_the_first_fails(tiny, server, character, message, timeout):
    mirrors = (server.url(character), server.url("good"))
    dataset = load_mnist(mirrors=mirrors, timeout=timeout)
    np.testing.assert_array_equal(dataset.X, tiny.arrays["train"][0])


def test_an_endless_answer_is_cut_off(server):
    file = mnist.FILES["train"][1]
    received = []
    with pytest.raises(DataError, match="sent more than the"):
        fetch(
            f"{server.url('endless')}{file.name}.gz",
            size=file.size,
            sha256=file.sha256,
            timeout=10,
            deadline=10,
            on_bytes=lambda done, total: received.append(done),
        )
    assert received[-1] < file.size + 200_000


def test_a_mirror_that_failed_is_not_asked_first_for_the_next_file(tiny, server):
    load_mnist(mirrors=(server.url("missing"), server.url("good")))
    assert [path.split("/")[1] for path in server.requests] == ["missing", "good", "good"]


def test_a_download_that_fails_halfway_keeps_the_file_that_is_complete(tiny, server, cache):
    tiny.put(cache, parts=["train"])
    (cache / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataNotFoundError, match="No mirror supplied train-labels-idx1-ubyte"):
        load_mnist(mirrors=[server.url("truncated")])
    assert os.listdir(cache) == ["train-images-idx3-ubyte.gz"]


@pytest.mark.parametrize(
    "mirror",
    ["https://mirror.invalid/mnist/", "http://127.0.0.1:1/", "http://", "http://[", "http://a b/",
     "http://127.0.0.1:70000/", "http://ü/\n"],
)
def test_an_address_that_leads_nowhere_is_an_answer_too(tiny, mirror):
    with pytest.raises(DataNotFoundError, match="cannot be read: "):
        load_mnist(mirrors=[mirror])


def test_the_default_mirrors_are_asked_in_turn_and_no_test_reaches_them():
    with pytest.raises(DataNotFoundError) as caught:
        load_mnist()
    assert all(mirror.startswith("https://") for mirror in mnist.MIRRORS)
    positions = [str(caught.value).index(mirror) for mirror in mnist.MIRRORS]
    assert positions == sorted(positions)
    assert str(caught.value).count("a test tried to reach") == 2


def test_a_write_that_fails_leaves_nothing_in_the_cache(tiny, server, cache):
    with disk(failing=5), pytest.raises(
            DataNotFoundError, match="The cache cannot be written: .*: No space left"):
        load_mnist(mirrors=[server.url("good")])
    assert os.listdir(cache) == []


def test_an_interrupted_write_leaves_nothing_in_the_cache(tiny, server, cache, monkeypatch):
    def interrupted(source, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load_mnist(mirrors=[server.url("good")])
    assert os.listdir(cache) == []


def test_a_cache_that_cannot_be_made_is_explained(tiny, server, cache):
    cache.parent.write_text("a file where the folder should be")
    with pytest.raises(DataNotFoundError, match="The cache cannot be written"):
        load_mnist(mirrors=[server.url("good")])


def test_progress_is_shown_on_standard_error_only_when_asked_for(tiny, server, capsys):
    load_mnist(mirrors=[server.url("good")], progress=True)
    shown = capsys.readouterr()
    assert "train-images-idx3-ubyte" in shown.err
    assert shown.out == ""
    load_mnist(mirrors=[server.url("good")], subset="test")
    assert capsys.readouterr() == ("", "")


MISMATCHES = {
    "fewer labels than images": ((20, 28, 28), (19,), "20 images and 19 labels"),
    "labels in place of images": ((20,), (20,), "shape (20,)"),
    "images in place of labels": ((20, 28, 28), (20, 28, 28), "Got shape (20, 28, 28)"),
    "no images": ((0, 28, 28), (0,), "shape (0, 28, 28)"),
}


@pytest.mark.parametrize(("images", "labels", "message"), MISMATCHES.values(), ids=MISMATCHES)
def test_files_that_do_not_belong_together_are_a_data_error(
    tmp_path, idx_bytes, images, labels, message
):
    for name, shape in (("images-idx3", images), ("labels-idx1", labels)):
        content = idx_bytes(np.zeros(shape, np.uint8))
        (tmp_path / f"train-{name}-ubyte").write_bytes(content)
    with pytest.raises(DataError) as caught:
        load_mnist(tmp_path)
    assert str(tmp_path / "train-images-idx3-ubyte") in str(caught.value)
    assert message in str(caught.value)


def test_training_and_test_images_of_two_sizes_are_a_data_error(tiny, tmp_path, idx_bytes):
    folder = tiny.put(tmp_path / "data", compress=False)
    small = idx_bytes(np.zeros((6, 8, 8), np.uint8))
    (folder / "t10k-images-idx3-ubyte").write_bytes(small)
    with pytest.raises(DataError, match=r"sizes \[\(8, 8\), \(28, 28\)\]"):
        load_mnist(folder, subset="all")


def test_local_files_may_be_other_data_in_the_same_format(tmp_path, idx_bytes):
    images, labels = np.ones((3, 5, 4), np.uint8), np.array([25, 0, 1], np.uint8)
    for name, array in (("images-idx3", images), ("labels-idx1", labels)):
        (tmp_path / f"t10k-{name}-ubyte.gz").write_bytes(gzip.compress(idx_bytes(array)))
    dataset = load_mnist(tmp_path, subset="test")
    assert (dataset.image_shape, dataset.n_classes) == ((5, 4), 26)


def test_an_unknown_subset_is_refused_with_the_choices():
    with pytest.raises(InvalidArgumentError, match="'train', 'test', 'all'.*Got 'valid'"):
        load_mnist(subset="valid")


@pytest.mark.parametrize("name", ["cifar", "", "train.csv", "MNIST", None, 3])
def test_an_unknown_source_is_refused_with_the_choices(name):
    with pytest.raises(InvalidArgumentError) as caught:
        load(name)
    for part in ("'digits'", "'mnist'", ".mat", repr(name)):
        assert part in str(caught.value)


def test_load_hands_its_arguments_to_the_loader(tiny, tmp_path):
    folder = tiny.put(tmp_path / "data")
    assert len(load("mnist", folder, subset="test").X) == 6
    with pytest.raises(DataNotFoundError, match="download=False"):
        load("mnist", download=False)


def test_the_digits_need_no_download():
    digits = load_digits()
    assert digits.X.shape == (1797, 8, 8)
    assert digits.X.min() == 0
    assert digits.X.max() == 16
    assert np.bincount(digits.labels).min() > 170
    assert (digits.name, digits.n_classes) == ("digits", 10)


def test_importing_the_floor_imports_numpy_and_nothing_heavy():
    heavy = "scipy sklearn urllib.request rich platformdirs matplotlib numpy.random"
    script = (
        "import sys, tinygrad_mlp.data\n"
        f"print([name for name in {heavy.split()!r} if name in sys.modules])"
    )
    found = child.python("-c", script, check=True)
    assert found.stdout.strip() == "[]"


def test_the_table_of_downloads_describes_the_real_files(real_mnist):
    for file in (file for pair in mnist.FILES.values() for file in pair):
        path = mnist._find(real_mnist, file.name)
        reader = gzip.open if path.endswith(".gz") else open
        with reader(path, "rb") as stream:
            content = stream.read()
        assert len(content) == file.size
        assert hashlib.sha256(content).hexdigest() == file.sha256


def test_the_real_files_are_the_digits_everyone_knows(real_mnist, monkeypatch):
    monkeypatch.setenv(mnist.ENVIRONMENT, real_mnist)
    train, test = load("mnist"), load("mnist", subset="test")
    assert train.X.shape == (60_000, 28, 28)
    assert test.X.shape == (10_000, 28, 28)
    assert train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert np.bincount(train.labels).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]
    assert train.X[0].sum() == read_idx(mnist._find(real_mnist, "train-images-idx3-ubyte"))[0].sum()


def test_the_real_training_set_is_split_and_standardised(real_mnist):
    mnist_ = load_mnist(real_mnist)
    split = preprocess(mnist_.X, mnist_.labels, rng=np.random.default_rng(0), dtype=np.float32)
    assert split.X.shape == (54_000, 784)
    assert split.X_validation.shape == (6_000, 784)
    assert split.Y.shape == (54_000, 10)
    deviation = split.X.std(axis=0, dtype=np.float64)
    constant = deviation == 0
    assert 60 < constant.sum() < 80
    np.testing.assert_allclose(deviation[~constant], 1, atol=1e-4)
    np.testing.assert_allclose(split.X.mean(axis=0, dtype=np.float64), 0, atol=1e-4)
