"""A user's mistakes: one clear line on standard error, exit code 2, nothing trained or written."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

import tinygrad_mlp as tg
from tinygrad_mlp.saving import model as checkpoint


def beginning_of_a_png(side):
    """A PNG of black and white pixels as far as its size can be read, by the specification."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)), (b"IDAT", b"")]
    parts = [struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
             for kind, body in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.fixture
def files(trained, tmp_path, make_mat):
    """What the command lines of the table below call DATA, MODEL and so on."""
    model = trained.model.read_bytes()
    (tmp_path / "truncated.safetensors").write_bytes(model[: len(model) // 2])
    (tmp_path / "text.png").write_text("no image")
    Image.new("L", (20, 20), 128).save(tmp_path / "blank.png")
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    (tmp_path / "half.png").write_bytes((tmp_path / "noise.png").read_bytes()[:500])
    tg.save(tmp_path / "layer.safetensors", tg.nn.Linear(30, 3, rng=np.random.default_rng(0)))
    tg.save(tmp_path / "bare.safetensors", checkpoint.load_network(trained.model))
    make_mat(tmp_path / "same.mat", change=lambda images, labels: (images, labels * 0))
    make_mat(tmp_path / "narrow.mat", change=lambda images, labels: (images[:, :, :4], labels))
    make_mat(tmp_path / "more.mat", change=lambda images, labels: (images, labels + 1))
    (tmp_path / "folder").mkdir()
    (tmp_path / "huge.png").write_bytes(beginning_of_a_png(12_000))
    (tmp_path / "vast.png").write_bytes(beginning_of_a_png(15_000))
    names = {path.name: str(path) for path in tmp_path.iterdir()}
    return {"DATA": trained.data, "MODEL": str(trained.model), "NOWHERE": "/no/such/place", **names}


MISTAKES = [
    ("train digist", "'digist' is neither digits nor mnist nor a path that ends in .mat"),
    ("train DATA --loss mse", "'mse' is not one of mean_square, cross_entropy"),
    ("train DATA --hidden 0", "'0' is not a whole number above 0"),
    ("train DATA --hidden 5,,5", "'' is not a whole number above 0"),
    ("train DATA --hidden 5,x", "'x' is not a whole number above 0"),
    ("train DATA --epochs -1", "--epochs"),
    ("train DATA --epochs two", "--epochs"),
    ("train DATA --batch-size 0", "--batch-size"),
    ("train DATA --lr 0", "0.0 is not a number above 0"),
    ("train DATA --lr nan", "nan is not a number above 0"),
    ("train DATA --sigma -1", "-1.0 is not a number above 0"),
    ("train DATA --seed -1", "--seed"),
    ("train DATA --monitor-every 0", "--monitor-every"),
    ("train DATA --dtype float16", "'float16' is not one of float64, float32"),
    ("train DATA --optimizer sdg", "'sdg' is not one of sgd, adam, adamw, rmsprop"),
    ("train DATA --hidden-activation softmax", "'softmax' is not one of tanh"),
    ("train DATA --output-activation relu", "output_activation must be 'sigmoid' or 'softmax'"),
    ("train NOWHERE.mat", "there is no file /no/such/place.mat"),
    ("train mnist --data-dir NOWHERE", "It does not exist"),
    ("train mnist --data-dir folder", "It lacks train-images-idx3-ubyte"),
    ("train same.mat", "expected images of at least two classes. Got one class"),
    ("train DATA --save NOWHERE/m.safetensors", "there is no folder /no/such/place"),
    ("train DATA --save folder", "is a folder. Add a file name."),
    ("train DATA --plot curves.xyz", "a picture must end in one of"),
    ("train DATA --plot a.png --history a.png", "--plot and --history name the same file"),
    ("train DATA --hidden 1000000000000", "must fit into the memory, of which"),
    ("train DATA --hidden 5,1000000,1000000", "Got 14.6 TiB. Use fewer neurons."),
    ("compare DATA --hidden 1000000000000", "Got 29.1 TiB. Use fewer neurons."),
    ("predict MODEL huge.png", "Got 12000 x 12000 = 144,000,000. Make it smaller"),
    ("predict MODEL vast.png", "expected a picture of at most 67,108,864 pixels. Image size"),
    ("train DATA --bogus", "No such option"),
    ("train DATA DATA", "unexpected extra argument"),
    ("trian", "No such command"),
    ("predict MODEL", "Missing argument"),
    ("predict NOWHERE blank.png", "there is no such file"),
    ("predict truncated.safetensors DATA", "expected a file in the safetensors format"),
    ("predict text.png DATA", "expected a file in the safetensors format"),
    ("predict layer.safetensors DATA", "expected a saved NeuralNetwork"),
    ("predict bare.safetensors noise.png", "expected image_shape"),
    ("predict MODEL NOWHERE.png", "there is no such file. Expected an image, digits, mnist"),
    ("predict MODEL text.png", "expected an image, such as PNG or JPEG"),
    ("predict MODEL half.png", "expected an image, such as PNG or JPEG"),
    ("predict MODEL folder", "expected an image, such as PNG or JPEG"),
    ("predict MODEL blank.png", "Got one even colour"),
    ("predict MODEL noise.png --limit 3", "--limit is for data sets"),
    ("predict MODEL noise.png --data-dir folder", "--data-dir is for data sets"),
    ("predict MODEL DATA --whole-picture", "--whole-picture is for images"),
    ("predict MODEL narrow.mat", "has images of 6x4 = 24 pixels in 3 classes"),
    ("predict MODEL more.mat", "in 4 classes"),
    ("compare digist", "'digist' is neither digits nor mnist"),
    ("compare DATA --output-activation identity", "output_activation must be"),
    ("compare DATA --plot NOWHERE/a.png", "there is no folder /no/such/place"),
]


@pytest.mark.parametrize(("line", "message"), MISTAKES, ids=[line for line, _ in MISTAKES])
def test_a_mistake_is_told_on_standard_error_and_ends_with_code_2(files, run, line, message):
    words = line.split()
    for name in sorted(files, key=len, reverse=True):
        words = [files[name] + w[len(name) :] if w.startswith(name) else w for w in words]
    result = run(*words)
    assert result.code == 2
    assert message in " ".join(result.err.split())
    assert "Traceback" not in result.err
    assert "iteration" not in result.out  # nothing has been trained


PATHS = [
    "train DATA --save", "train DATA --plot", "train DATA --history", "train DATA --checkpoint",
    "train DATA --report", "train DATA --run", "train mnist --data-dir", "train", "compare",
    "compare DATA --plot", "predict", "predict MODEL", "predict MODEL DATA --data-dir", "report",
    "report folder", "report folder --output", "check", "check tanh",
]


@pytest.mark.parametrize("line", PATHS)
def test_a_word_that_is_no_path_is_refused_and_does_not_stand_for_the_current_folder(
    files, run, line, monkeypatch, tmp_path
):
    (tmp_path / "homework.py").write_text("1 / 0")
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    for word in ("", " ", "a\0b.mat"):
        result = run(*(files.get(w, w) for w in line.split()), word)
        assert result.code == 2 and repr(word) in result.err
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", ["caf\udce9", "[a]*?", "~ -"])
def test_files_of_unusual_names_are_written_and_read(mat, quick, run, name, tmp_path):
    endings = {"--save": ".safetensors", "--plot": ".png", "--history": ".csv",
               "--checkpoint": "", "--run": "-run"}
    named = {option: tmp_path / f"{name}{ending}" for option, ending in endings.items()}
    files = [word for pair in named.items() for word in pair]
    assert run("train", mat, *quick, "--epochs", 1, *files).code == 0
    assert all(path.exists() for path in named.values())
    assert run("predict", named["--save"], mat).code == 0


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"image_shape": [7, 7], "pixel_range": [0, 1]}, "expected image_shape"),
        ({"image_shape": "6x5", "pixel_range": [0, 1]}, "expected image_shape"),
        ({"image_shape": [-6, -5], "pixel_range": [0, 1]}, "expected image_shape"),
        ({"image_shape": [6, 5]}, "expected pixel_range"),
        ({"image_shape": [6, 5], "pixel_range": [1, 1]}, "expected pixel_range"),
        ({"image_shape": [6, 5], "pixel_range": [True, False]}, "expected pixel_range"),
    ],
)
def test_a_model_that_does_not_say_what_its_images_are_is_refused(
    trained, tmp_path, files, run, facts, message
):
    model = tmp_path / "model.safetensors"
    tg.save(model, checkpoint.load_network(trained.model), metadata=facts)
    result = run("predict", model, files["noise.png"])
    assert result.code == 2 and message in result.err


def test_a_model_that_answers_nan_is_refused(trained, tmp_path, run):
    network = checkpoint.load_network(trained.model)
    network.weights[0] = network.weights[0] * np.nan
    tg.save(tmp_path / "nan.safetensors", network, metadata={"image_shape": [6, 5]})
    result = run("predict", tmp_path / "nan.safetensors", trained.data)
    assert result.code == 2 and "expected a model with finite outputs" in result.err


def test_a_model_whose_preprocessing_does_not_fit_its_inputs_is_refused(
    trained, tmp_path, files, run
):
    network = checkpoint.load_network(trained.model)
    network.preprocessing = (np.zeros(29), np.ones(29))
    facts = {"image_shape": [6, 5], "pixel_range": [0, 1]}
    tg.save(tmp_path / "model.safetensors", network, metadata=facts)
    result = run("predict", tmp_path / "model.safetensors", files["noise.png"])
    assert result.code == 2 and "(29,)" in result.err
