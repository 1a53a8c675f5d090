"""A campaign: of each kind of file that is read, mutations are read in its place.

Each gives a right result, or one error of this package that names the file. Whatever was to be
changed by the file stays as it was, bit for bit, and little memory is taken. ``--thorough`` tries
4,000.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import sys
import warnings
from typing import NamedTuple

import numpy as np
import pytest
import safetensors.numpy
from PIL import Image
from scipy.io import savemat

import tinygrad_mlp as tg
from tests.campaigns import chosen
from tests.mutations import damaged, edited, other_arrays
from tests.training.resuming.trainings import Cut, Training, assert_same_bits, cutting_at, waiting
from tinygrad_mlp.cli import main
from tinygrad_mlp.cli import report as run_report
from tinygrad_mlp.cli.image import read_ink
from tinygrad_mlp.data import load_mat, load_mnist
from tinygrad_mlp.errors import TinygradError
from tinygrad_mlp.saving.model import load_network
from tinygrad_mlp.support import safetensors_file
from tinygrad_mlp.training.history import History

MOST_MEMORY = 1 << 27
"""Bytes that may be taken in addition; the files are small."""

RNG = np.random.default_rng(0)
INK = np.zeros((20, 20), np.uint8)
INK[3:17, 9:12] = 255


def a_network(seed):
    network = tg.NeuralNetwork([30, 4, 3], seed=seed, sigma=1.0, monitor=False, plot=False)
    network.preprocessing = (np.full(30, seed, float), np.ones(30))
    return network


def bits_of(network):
    return [*network.model.state_dict().values(), *network.preprocessing]


class Kind(NamedTuple):
    """A kind of file: how one is made, mutated and read, and how many mutations are tried.

    `read` gets the path and what `change` returned, reads the file into that, and checks what came
    out; on an error that must be as it was: `change` returns a function that says what it holds.
    """

    make: object
    mutate: object
    read: object
    in_full: int
    quick: int = 8
    name: str = "file"


# -- models ----------------------------------------------------------------------------------------


def save_network(path):
    tg.save(path, a_network(0), metadata={"image_shape": [6, 5], "pixel_range": [0, 255],
                                          "digit_size": 5, "dataset": "bars.mat"})


def bytes_of(path, rng):
    path.write_bytes(damaged(path.read_bytes(), rng))


def entries_of(path, rng):
    """Edit the metadata, or the arrays, and make the checksum right again."""
    arrays, facts = safetensors_file.read(path)
    if rng.random() < 0.3:
        arrays = other_arrays(arrays, rng)
    else:
        facts = edited(facts, rng)
    safetensors_file.write(path, arrays, facts, "a mutation")


def same_network(path, held):
    assert_same_bits(bits_of(load_network(path)), bits_of(a_network(0)))


def sound_network(path, held):
    """Settings that were edited may be right ones: then the network works."""
    network = load_network(path)
    assert network.predict(np.zeros((2, 30))).shape == (2, 3)
    for array in network.preprocessing or ():
        assert array.shape in ((30,), ())


def into_network(path, held):
    other = held(lambda: a_network(1), bits_of)
    tg.load(path, other)
    return other


def same_into_network(path, held):
    assert_same_bits(bits_of(into_network(path, held)), bits_of(a_network(0)))


def sound_into_network(path, held):
    assert into_network(path, held).predict(np.zeros((2, 30))).shape == (2, 3)


def predicted(path, held):
    """The command line, which prints one line and ends with code 2 where anything is wrong."""
    picture = path.with_name("ink.png")
    Image.fromarray(INK).save(picture)
    command("predict", path, picture)


def command(*words):
    """Run a command line that succeeds, or raise its error as one of this package."""
    out, told = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(told):
        code = main(list(map(str, words)))
    if code:
        assert code == 2 and told.getvalue().count("Error: ") == 1, told.getvalue()
        raise TinygradError(told.getvalue())


LAYER = {"weight": RNG.normal(size=(2, 3)), "bias": RNG.normal(size=2)}


def save_foreign(path):
    safetensors.numpy.save_file(LAYER, path, {"format": "pt"})


def from_torch(path, held):
    layer = held(lambda: tg.nn.Linear(3, 2, rng=np.random.default_rng(0)), tg.nn.Module.state_dict)
    tg.from_torch_state(layer, path)


def save_pickle(path):
    torch = pytest.importorskip("torch")
    torch.save({name: torch.tensor(array) for name, array in LAYER.items()}, path)


def never(path, held):
    """Pickles are no safetensors files, and no mutation makes them one."""
    from_torch(path, held)
    raise AssertionError("it was read")


# -- checkpoints -----------------------------------------------------------------------------------


def a_training():
    made = Training("program", hooks=[waiting], epochs=2)
    made.history = History()
    return made


def save_checkpoint(path):
    with contextlib.suppress(Cut):
        a_training().run(tg.Checkpoint(path, 3, "step"), extra=[cutting_at(15)])


def state_of(path, rng):
    arrays, facts = safetensors_file.read(path)
    if rng.random() < 0.2:
        arrays = other_arrays(arrays, rng)
    else:
        part = "state" if rng.random() < 0.8 else "generators"
        facts["checkpoint"][part] = edited(facts["checkpoint"][part], rng)
    safetensors_file.write(path, arrays, facts, "a mutation")


def resumed(path, held):
    return held(a_training, Training.everything).run(path)


def same_resumed(path, held):
    found, right = resumed(path, held).everything(), a_training().run().everything()
    found["history"] = right["history"] = None  # with whether it was resumed
    assert_same_bits(found, right)


def sound_resumed(path, held):
    assert resumed(path, held).optimizer.epoch <= 1


# -- runs ------------------------------------------------------------------------------------------


def save_account(path):
    data = path.with_name("bars.mat")
    save_mat(data)
    words = ["train", data, "--hidden", 4, "--epochs", 1, "--batch-size", 10]
    command(*words, "--run", path.parent)


def account_of(path, rng):
    path.write_text(json.dumps(edited(json.loads(path.read_text()), rng)))


def reported(path, held):
    with pytest.MonkeyPatch.context() as patch:
        # The page takes seconds; what it is written from is what the file decides.
        patch.setattr(run_report, "write", lambda page, experiment, network: checked(network))
        command("report", path.parent)


def checked(network):
    for record in network.history:
        assert all(isinstance(value, (int, float, type(None))) for value in record)
    repr(network.history), network.history._repr_html_()


# -- data ------------------------------------------------------------------------------------------


def idx(array):
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def save_idx(compress):
    def make(path):
        images, labels = RNG.integers(0, 256, (9, 4, 5), np.uint8), np.arange(9, dtype=np.uint8)
        for name, array in (("images-idx3", images), ("labels-idx1", labels)):
            file = path.with_name(f"train-{name}-ubyte")
            file.write_bytes(compress(idx(array)))

    return make


def sound_dataset(dataset):
    assert dataset.X.ndim == 3 and dataset.labels.shape == (len(dataset.X),)
    assert 0 <= dataset.labels.min() and dataset.labels.max() < dataset.n_classes
    repr(dataset)


def read_idx_files(path, held):
    sound_dataset(load_mnist(path.parent))


def save_mat(path, **options):
    labels = np.arange(30) % 3
    images = RNG.uniform(0, 255, (6, 5, 30)).round()
    savemat(path, {"train_images": images, "train_labels": labels[:, None]}, **options)


def save_compressed_mat(path):
    save_mat(path, do_compression=True)


def read_mat(path, held):
    sound_dataset(load_mat(path))


def save_picture(form, **options):
    def make(path):
        Image.fromarray(INK).save(path, format=form, **options)

    return make


def read_picture(path, held):
    ink = read_ink(path, (8, 8), 6)[0]
    assert ink.shape == (8, 8) and 0 <= ink.min() and ink.max() <= 1


KINDS = {
    "a model, bytes": Kind(save_network, bytes_of, same_network, 300),
    "a model, entries": Kind(save_network, entries_of, sound_network, 500, 16),
    "a model into another, bytes": Kind(save_network, bytes_of, same_into_network, 300),
    "a model into another, entries": Kind(save_network, entries_of, sound_into_network, 300),
    "a model on the command line": Kind(save_network, entries_of, predicted, 300, 4),
    "weights of another program": Kind(save_foreign, bytes_of, from_torch, 300),
    "a file of torch.save": Kind(save_pickle, bytes_of, never, 100),
    "a checkpoint, bytes": Kind(save_checkpoint, bytes_of, same_resumed, 200, 4),
    "a checkpoint, entries": Kind(save_checkpoint, state_of, sound_resumed, 600, 16),
    "an account of a run, bytes": Kind(save_account, bytes_of, reported, 100, 2, "run.json"),
    "an account of a run, entries": Kind(save_account, account_of, reported, 300, 6, "run.json"),
    "IDX images": Kind(
        save_idx(bytes), bytes_of, read_idx_files, 100, name="train-images-idx3-ubyte"),
    "IDX labels": Kind(
        save_idx(bytes), bytes_of, read_idx_files, 100, name="train-labels-idx1-ubyte"),
    "compressed IDX": Kind(
        save_idx(gzip.compress), bytes_of, read_idx_files, 100, name="train-images-idx3-ubyte"),
    "a MATLAB file": Kind(save_mat, bytes_of, read_mat, 100),
    "a compressed MATLAB file": Kind(save_compressed_mat, bytes_of, read_mat, 100),
    "PNG": Kind(save_picture("PNG"), bytes_of, read_picture, 50),
    "JPEG": Kind(save_picture("JPEG"), bytes_of, read_picture, 50),
    "GIF": Kind(save_picture("GIF"), bytes_of, read_picture, 50),
    "BMP": Kind(save_picture("BMP"), bytes_of, read_picture, 50),
    "TIFF": Kind(save_picture("TIFF"), bytes_of, read_picture, 50),
    "compressed TIFF": Kind(
        save_picture("TIFF", compression="tiff_lzw"), bytes_of, read_picture, 50),
}


def test_the_campaign_has_four_thousand_mutations():
    assert sum(kind.in_full for kind in KINDS.values()) >= 4000


# Loading PyTorch takes seconds.
NAMES = [pytest.param(name, marks=[pytest.mark.thorough] if kind.read is never else [])
         for name, kind in KINDS.items()]


@pytest.mark.parametrize("name", NAMES)
def test_a_mutated_file_is_read_rightly_or_refused_by_name_and_changes_nothing(
    name, tmp_path, monkeypatch
):
    kind, path = KINDS[name], tmp_path / KINDS[name].name
    monkeypatch.chdir(tmp_path)
    kind.make(path)
    whole = path.read_bytes()
    with contextlib.suppress(AssertionError if kind.read is never else ()):
        with contextlib.suppress(TinygradError if kind.read is never else ()):
            attempt(kind, path)  # as it was written, it is read
    before = most_memory()
    refused, tries = 0, chosen(kind.quick, kind.in_full)
    for seed in range(tries):
        path.write_bytes(whole)
        kind.mutate(path, np.random.default_rng(seed))
        try:
            attempt(kind, path)
        except TinygradError as error:
            refused += 1
            assert str(path) in str(error), f"mutation {seed}: {error}"
        except Exception as error:
            raise AssertionError(f"mutation {seed}: {type(error).__name__}: {error}") from error
        assert most_memory() < before + MOST_MEMORY, f"mutation {seed}"
    assert refused, "no mutation was noticed"


def most_memory():
    """The most memory that this process has taken so far, in bytes."""
    resource = pytest.importorskip("resource")
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def attempt(kind, path):
    """Read a file; after an error, check that what it was to change is as it was."""
    held = []

    def hold(make, describe):
        held.append((made := make(), describe, describe(made)))
        return made

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kind.read(path, hold)
    except TinygradError:
        for made, describe, before in held:
            assert_same_bits(describe(made), before)
        raise
