"""``tinygrad-mlp train``: what it prints and writes, however training ends."""

import csv
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_mlp as tg
from tinygrad_mlp.cli import experiment, main
from tinygrad_mlp.cli import train as train_module
from tinygrad_mlp.saving import model as checkpoint
from tinygrad_mlp.training.history import History

PNG = b"\x89PNG\r\n\x1a\n"
REAL_DATA = os.environ.get("TINYGRAD_MLP_DATA")
needs_mnist = pytest.mark.skipif(not REAL_DATA, reason="TINYGRAD_MLP_DATA is not set")


@given(st.integers(1, 10**7))
def test_evaluations_come_at_a_round_interval_and_about_ten_times(iterations):
    every = experiment.evaluation_interval(iterations)
    assert str(every).strip("0") in {"1", "2", "5"}
    assert iterations / every <= 10 or every == 10_000
    assert iterations / every > 3 or every == 1


def test_train_says_what_it_does_and_how_it_went(trained):
    assert trained.code == 0
    for text in ("bars.mat, 6x5: 54 to train, 6 to validate", "30-8-3, tanh and sigmoid",
                 "cross_entropy, computed in float64", "sgd, learning rate 0.1",
                 "2 epochs of 54 steps, batch size 1, seed 0", "Final validation accuracy 1.0000",
                 "108 iterations took"):
        assert text in trained.out


def test_train_writes_the_files_asked_for_and_names_them(trained):
    assert trained.plot.read_bytes().startswith(PNG)
    for path in (trained.plot, trained.history, trained.model):
        assert str(path) in trained.out.replace("\n", " ")


def test_the_history_ends_with_the_network_that_is_saved(trained):
    rows = list(csv.DictReader(trained.history.read_text().splitlines()))
    assert [int(row["iteration"]) for row in rows] == [0, 20, 40, 60, 80, 100, 107]
    network = checkpoint.load_network(trained.model)
    split = tg.data.preprocess(*tg.data.load(trained.data)[:2], rng=np.random.default_rng(0))
    for X, Y, part in ((split.X, split.Y, "training"),
                       (split.X_validation, split.Y_validation, "validation")):
        prediction = network.predict(X)
        assert float(rows[-1][f"{part}_loss"]) == network.loss(Y, prediction) / len(Y)
        assert float(rows[-1][f"{part}_accuracy"]) == network.accuracy(Y, prediction)


def test_the_same_experiment_can_be_run_in_python(trained):
    split = tg.data.preprocess(*tg.data.load(trained.data)[:2], rng=np.random.default_rng(0))
    network = tg.NeuralNetwork(
        [30, 8, 3], monitor=False, plot=False, sigma=0.3, learning_rate=0.1, seed=0
    )
    network.train(split.X, split.Y, 2)
    for here, there in zip(
        network.weights, checkpoint.load_network(trained.model).weights, strict=True
    ):
        np.testing.assert_array_equal(here, there)


def test_without_options_the_digits_are_learned(run, monkeypatch):
    monkeypatch.setitem(experiment.EPOCHS_OF, "digits", 8)
    result = run("train")
    assert "digits, 8x8: 1,617 to train, 180 to validate" in result.out
    assert "64-256-10, tanh and sigmoid" in result.out
    assert "learning rate 1 / (100 + 10 k) in epoch k" in result.out
    accuracy = float(result.out.split("Final validation accuracy ")[1].split(",")[0])
    assert result.code == 0 and accuracy >= 0.93


def test_a_newcomer_gets_thirty_epochs_on_the_digits_and_two_on_larger_data():
    assert experiment.EPOCHS_OF == {"digits": 30} and experiment.EPOCHS == 2


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        (["--hidden", "7,5"], "30-7-5-3"),
        (["--hidden", "7", "--hidden", "5"], "30-7-5-3"),
        (["--epochs", "3"], "3 epochs"),
        (["--batch-size", "10"], "2 epochs of 6 steps, batch size 10"),
        (["--loss", "mean_square"], "mean_square"),
        (["--optimizer", "adam"], "adam, learning rate 0.001"),
        (["--optimizer", "rmsprop", "--lr", "0.01"], "rmsprop, learning rate 0.01"),
        (["--hidden-activation", "relu", "--output-activation", "softmax"], "relu and softmax"),
        (["--hidden", "8", "--bias"], "275 parameters"),
        (["--hidden", "8", "--no-bias"], "264 parameters"),
        (["--dtype", "float32"], "float32"),
        (["--seed", "5"], "seed 5"),
        (["--whole-set"], "standardised over all"),
        (["--monitor-every", "30"], "\n       30"),
    ],
)
def test_every_option_of_training_has_its_effect(mat, options, shown, run):
    result = run("train", mat, *options)
    assert result.code == 0 and shown in result.out


def test_training_that_diverges_fails_and_spares_the_model(mat, tmp_path, run):
    model, table = tmp_path / "model.safetensors", tmp_path / "run.csv"
    model.write_text("an older model")
    result = run(
        "train", mat, "--hidden", "8", "--loss", "mean_square", "--hidden-activation", "relu",
        "--output-activation", "identity", "--sigma", "1", "--lr", "1e6",
        "--save", model, "--history", table, "--plot", tmp_path / "curves.png",
    )
    assert result.code == 1
    assert "Error: training diverged: the loss of iteration" in result.err
    assert "Try a smaller --lr." in result.err
    assert model.read_text() == "an older model"
    assert table.exists() and (tmp_path / "curves.png").exists()


def test_ctrl_c_ends_training_and_what_was_asked_for_is_written(
    mat, tmp_path, run, press_ctrl_c, quick
):
    press_ctrl_c(2)
    paths = [tmp_path / name for name in ("model.safetensors", "run.csv", "curves.png")]
    options = zip(("--save", "--history", "--plot"), paths, strict=True)
    result = run("train", mat, *quick, *(word for pair in options for word in pair))
    assert result.code == 130
    assert "Training ended early: interrupted by Ctrl-C after iteration 20." in result.out
    assert "Final validation accuracy" in result.out
    assert all(path.exists() for path in paths)


def test_ctrl_c_before_training_ends_the_command(mat, run, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(experiment, "load", interrupted)
    result = run("train", mat)
    assert (result.code, result.err) == (130, "Error: interrupted by Ctrl-C.\n")


def test_a_file_that_cannot_be_written_at_the_end_keeps_no_other_from_it(
    mat, tmp_path, run, monkeypatch, quick
):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(History, "to_csv", full)
    result = run(
        "train", mat, *quick, "--history", tmp_path / "run.csv",
        "--save", tmp_path / "model.safetensors",
    )
    assert result.code == 1
    assert "run.csv could not be written: [Errno 28] No space left" in result.err
    assert (tmp_path / "model.safetensors").exists()


def test_a_bug_shows_its_traceback(mat, monkeypatch):
    def bug(*args, **kwargs):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(train_module, "Experiment", bug)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        main(["train", mat])


@needs_mnist
def test_mnist_is_learned_and_its_test_images_predicted(tmp_path, run):
    model = tmp_path / "model.safetensors"
    result = run(
        "train", "mnist", "--data-dir", REAL_DATA, "--epochs", "1", "--batch-size", "100",
        "--optimizer", "adam", "--hidden", "32", "--dtype", "float32", "--sigma", "0.1",
        "--monitor-every", "1000000", "--save", model,
    )
    assert result.code == 0 and "mnist, 28x28: 54,000 to train, 6,000 to validate" in result.out
    result = run("predict", model, "mnist", "--data-dir", REAL_DATA, "--limit", "500")
    assert result.code == 0
    assert float(result.out.split("accuracy ")[1].split(",")[0]) > 0.85
