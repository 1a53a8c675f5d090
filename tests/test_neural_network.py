"""`NeuralNetwork` against the numbers of the classic experiment, and against the derivation."""

from pathlib import Path

import numpy as np
import pytest

import tinygrad_mlp as tg
from tinygrad_mlp.verify import formulas

GOLDEN = np.load(Path(__file__).parent / "data" / "seed_run.npz")
LOSSES = ("mean_square", "cross_entropy")


@pytest.fixture
def task():
    """Twelve samples of two features in three classes, one-hot."""
    rng = np.random.default_rng(1)
    return rng.normal(size=(12, 2)), np.eye(3)[rng.integers(3, size=12)]


def network(layers=(2, 4, 3), **settings):
    return tg.NeuralNetwork(layers, **{"monitor": False, "plot": False, "seed": 0, **settings})


# -- the golden run --------------------------------------------------------------------------


WAYS = {
    "eager": dict(compiled=False),
    "program": dict(compiled=True, block=1),
    "blocks": dict(compiled=True, block=7),
}


@pytest.fixture(
    params=[(loss, way) for loss in LOSSES for way in WAYS], ids=" ".join, scope="module"
)
def golden(request):
    """The recorded run repeated: 3 epochs of 60 samples, recorded every 20 steps."""
    loss, way = request.param
    trained = tg.NeuralNetwork([12, 7, 4], loss=loss, monitor=True, plot=False)
    trained.n_save = 20
    trained.weights = [GOLDEN[f"{loss}_W1_initial"], GOLDEN[f"{loss}_W2_initial"]]
    trained.train(
        GOLDEN["X"], GOLDEN["Y"], epochs=3,
        validation=GOLDEN["X_validation"], validation_label=GOLDEN["Y_validation"], **WAYS[way],
    )
    assert trained.history.execution.partition(" (")[0] == {
        "eager": "eager", "program": "a program", "blocks": "a program, in blocks of 7 steps",
    }[way]
    return trained, {key.removeprefix(f"{loss}_"): GOLDEN[key] for key in GOLDEN}


def test_the_golden_runs_weights_are_reproduced(golden):
    trained, expected = golden
    for got, name in zip(trained.weights, ("W1_final", "W2_final"), strict=True):
        np.testing.assert_allclose(got, expected[name], rtol=1e-12)


def test_the_golden_runs_losses_and_accuracies_are_reproduced(golden):
    trained, expected = golden
    np.testing.assert_allclose(trained.training_loss, expected["training_loss"], rtol=1e-12)
    np.testing.assert_array_equal(trained.training_accuracy, expected["training_accuracy"])


def test_the_golden_runs_predictions_are_reproduced(golden):
    trained, expected = golden
    np.testing.assert_allclose(
        trained.predict(GOLDEN["X_validation"]), expected["prediction"], rtol=1e-12
    )


# -- deeper networks -------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("layers", [(3, 5, 4, 2), (3, 4, 5, 3, 2)])
@pytest.mark.parametrize("bias", [False, True])
def test_deeper_networks_descend_along_the_recursion_of_d_matrices(loss, layers, bias):
    rng = np.random.default_rng(2)
    X, Y = rng.normal(size=(5, layers[0])), np.eye(layers[-1])[rng.integers(layers[-1], size=5)]
    trained = network(layers, loss=loss, sigma=0.8, bias=bias)
    weights = [W.copy() for W in trained.weights]
    biases = [np.zeros(len(W)) for W in weights]
    for k in range(2):
        for x, y in zip(X, Y, strict=True):
            step = formulas.layered(weights, x, y, loss=loss, biases=biases)
            rate = 1 / (100 + 10 * k)
            weights = [W - rate * dW for W, dW in zip(weights, step.weights, strict=True)]
            if bias:
                biases = [b - rate * db for b, db in zip(biases, step.biases, strict=True)]
    trained.train(X, Y, epochs=2)
    for got, expected in zip(trained.weights, weights, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-15)


def test_relu_with_softmax_descends_along_softmax_minus_target(task):
    X, Y = task
    trained = network(hidden_activation="relu", output_activation="softmax", sigma=1.0)
    W1, W2 = (W.copy() for W in trained.weights)
    trained.train(X[:1], Y[:1], epochs=1)
    x, y = X[:1].T, Y[:1].T
    a2 = np.maximum(W1 @ x, 0)
    p = np.exp(W2 @ a2) / np.exp(W2 @ a2).sum()
    np.testing.assert_allclose(trained.weights[1], W2 - 0.01 * (p - y) @ a2.T, rtol=1e-12)
    np.testing.assert_allclose(
        trained.weights[0], W1 - 0.01 * ((W2.T @ (p - y)) * (a2 > 0)) @ x.T, rtol=1e-12
    )


# -- attributes, monitoring, plots -------------------------------------------------------------


def test_weights_are_drawn_from_a_normal_distribution_of_the_stated_width():
    drawn = np.concatenate([W.ravel() for W in network((200, 100, 50)).weights])
    assert abs(drawn.std() - 0.01) < 0.0002
    assert abs(drawn.mean()) < 0.0003


def test_the_same_seed_trains_to_the_same_bits(task):
    first, second = (network(seed=3, shuffle=True) for _ in range(2))
    for one in (first, second):
        one.train(*task, epochs=2)
    for a, b in zip(first.weights, second.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_entry_of_weights_can_be_assigned():
    changed = network()
    changed.weights[0] = np.ones((4, 2))
    np.testing.assert_array_equal(changed.weights[0], np.ones((4, 2)))


def test_the_monitor_line_has_each_part_once(task, capsys):
    watched = network(monitor=True)
    watched.n_save = 8
    watched.train(*task, epochs=1, validation=task[0], validation_label=task[1])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" - ")[0] for line in lines] == ["Iteration 0", "Iteration 8"]
    assert [part.split(":")[0] for part in lines[0].split(" - ")[1].split(" | ")] == [
        "training loss", "training accuracy", "validation loss", "validation accuracy",
    ]


@pytest.mark.parametrize("n_save", [1, 3, 5, 12, 13, 24, 100, 10_000])
@pytest.mark.parametrize("batch_size", [1, 5])
def test_losses_are_kept_at_every_n_save_th_update_and_histories_show_learning(
        task, capsys, n_save, batch_size):
    """Twelve samples, two epochs."""
    watched = network(monitor=True, batch_size=batch_size)
    watched.n_save = n_save
    watched.train(*task, epochs=2)
    steps = -(-12 // batch_size)
    regular = list(range(0, 2 * steps, n_save))
    ends = [steps - 1, 2 * steps - 1]
    recorded = sorted({*regular, *(ends if 2 * steps < 4 * n_save else [])})
    assert watched.history.iteration == recorded
    by_iteration = dict(zip(recorded, watched.history, strict=True))
    assert watched.training_loss == [12 * by_iteration[i].training_loss for i in regular]
    assert watched.training_accuracy == [by_iteration[i].training_accuracy for i in regular]
    lines = [line.split(" - ")[0] for line in capsys.readouterr().out.splitlines()]
    printed = recorded if 2 * steps <= n_save else regular
    assert lines == [f"Iteration {i}" for i in printed]


def test_of_many_epochs_a_tenth_have_a_line(task, capsys):
    watched = network(monitor=True)
    watched.train(*task, epochs=105)
    assert len(watched.history) == 106 and len(watched.training_loss) == 1
    epochs = [int(line.split()[1]) // 12 for line in capsys.readouterr().out.splitlines()]
    assert epochs == [0, *range(10, 105, 11), 104]


def test_further_records_change_no_number_of_the_training(task):
    weights = []
    for n_save in (1, 5, 10_000):
        one = network(monitor=lambda record: "", seed=4)
        one.n_save = n_save
        one.train(*task, epochs=20)
        weights.append(one.weights)
    for a, b in zip(weights[0], weights[2], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_nothing_is_evaluated_where_nobody_watches(task):
    quiet, watched = network(), network(monitor=True)
    watched.n_save = 0
    for one in (quiet, watched):
        one.train(*task, epochs=1)
        assert one.training_loss == [] and len(one.history) == 0
    watched.n_save = -1
    with pytest.raises(tg.errors.InvalidArgumentError, match="n_save must be an integer >= 0"):
        watched.train(*task, epochs=1)


def test_the_recorded_loss_is_a_sum_over_the_data(task):
    X, Y = task
    watched = network(monitor=True, loss="mean_square")
    watched.n_save = len(X)
    watched.train(X, Y, epochs=1)
    after_first = network(loss="mean_square")
    after_first.train(X[:1], Y[:1], epochs=1)
    expected = 0.5 * np.sum((Y - after_first.predict(X)) ** 2)
    np.testing.assert_allclose(watched.training_loss[0], expected, rtol=1e-12)


def test_the_curves_are_saved_and_the_path_printed_on_a_headless_machine(
    task, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    network(plot=True, loss="mean_square").train(*task, epochs=1)
    pictures = list(tmp_path.glob("*.png"))
    assert len(pictures) >= 1
    printed = capsys.readouterr().out
    assert all(picture.name in printed for picture in pictures)


def test_float32_networks_stay_in_float32(task):
    single = network(dtype=np.float32)
    single.train(*task, epochs=1)
    assert {W.dtype for W in single.weights} == {np.dtype(np.float32)}
    assert single.predict(task[0]).dtype == np.float32


def test_a_batch_averages_the_gradient(task):
    X, Y = task
    batched = network(batch_size=len(X), sigma=1.0)
    W1, W2 = (W.copy() for W in batched.weights)
    batched.train(X, Y, epochs=1)
    steps = [formulas.cross_entropy(W1, W2, x, y)["W1"] for x, y in zip(X, Y, strict=True)]
    np.testing.assert_allclose(batched.weights[0], W1 - 0.01 * np.mean(steps, axis=0), rtol=1e-12)


# -- bad input -------------------------------------------------------------------------------

X3, Y3 = np.zeros((3, 2)), np.eye(3)

REFUSED_SETTINGS = {
    "one layer": ({"layers": [784]}, "at least two sizes"),
    "layers that are no list": ({"layers": 784}, "at least two sizes"),
    "zero neurons": ({"layers": [2, 0, 3]}, r"layers\[1\] must be an integer >= 1. Got 0"),
    "unknown loss": ({"loss": "hinge"}, "loss must be one of 'mean_square', 'cross_entropy'"),
    "unknown hidden activation": ({"hidden_activation": "swish"}, "'tanh'.*Got 'swish'"),
    "softmax inside": ({"hidden_activation": "softmax"}, "hidden_activation must be one of"),
    "unknown output activation": ({"output_activation": "step"}, "'softmax'.*Got 'step'"),
    "cross entropy of tanh": ({"output_activation": "tanh"}, "outputs that are probabilities"),
    "integer weights": ({"dtype": int}, "float64 or float32. Got int64"),
    "negative sigma": ({"sigma": -1.0}, "sigma"),
    "no samples a step": ({"batch_size": 0}, "batch_size must be an integer >= 1"),
    "negative learning rate": ({"learning_rate": -0.1}, "lr"),
    "unknown optimizer": ({"optimizer": "newton"}, "optimizer must be one of 'sgd'"),
}


@pytest.mark.parametrize("case", REFUSED_SETTINGS)
def test_impossible_settings_are_refused(case):
    settings, words = REFUSED_SETTINGS[case]
    with pytest.raises(tg.errors.TinygradError, match=words):
        network(**settings)


REFUSED_DATA = {
    "X of other width": ((np.zeros((3, 5)), Y3), r"X must have shape \(n, 2\).*Got \(3, 5\)"),
    "X as one vector": ((np.zeros(2), Y3), r"X must have shape \(n, 2\)"),
    "class numbers": ((X3, np.array([0, 1, 2])), r"tg.data.one_hot\(labels, 3\)"),
    "rows that are not one-hot": ((X3, np.full((3, 3), 0.5)), "one-hot.*in row 0"),
    "a second 1 in a row": ((X3, Y3 + np.eye(3)[::-1]), "one-hot.*row"),
    "more labels than samples": ((X3[:2], Y3), r"same number of samples.*\(2, 2\) and \(3, 3\)"),
    "no samples": ((np.zeros((0, 2)), np.zeros((0, 3))), "at least one sample"),
    "NaN in X": ((np.full((3, 2), np.nan), Y3), "must be finite. Got nan at index"),
    "infinity in X": ((np.full((3, 2), np.inf), Y3), "must be finite. Got inf at index"),
    "text": ((np.full((3, 2), "a"), Y3), "must be an array of numbers"),
    "epochs of zero": ((X3, Y3, 0), "epochs must be an integer >= 1"),
    "validation without labels": ((X3, Y3, 1, X3), "given together"),
    "validation of other width": ((X3, Y3, 1, np.zeros((3, 9)), Y3), "validation must have shape"),
}


@pytest.mark.parametrize("case", REFUSED_DATA)
def test_impossible_data_are_refused_before_anything_is_changed(case):
    arguments, words = REFUSED_DATA[case]
    refused = network()
    before = [W.copy() for W in refused.weights]
    with pytest.raises(tg.errors.TinygradError, match=words):
        refused.train(*arguments)
    for W, original in zip(refused.weights, before, strict=True):
        np.testing.assert_array_equal(W, original)
    assert refused.training_loss == []


def test_weights_of_another_shape_are_refused_and_nothing_is_changed():
    kept = network()
    before = [W.copy() for W in kept.weights]
    with pytest.raises(tg.errors.ShapeError, match=r"weights\[1\] must have shape \(3, 4\)"):
        kept.weights = [np.ones((4, 2)), np.ones((2, 2))]
    with pytest.raises(tg.errors.ShapeError, match="expected 2 matrices. Got 1"):
        kept.weights = [np.ones((4, 2))]
    for W, original in zip(kept.weights, before, strict=True):
        np.testing.assert_array_equal(W, original)
