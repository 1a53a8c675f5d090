"""How the estimators train: programs, going on, early stopping, one's own parts."""

import functools
import math

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

import tinygrad_mlp as tg
from tinygrad_mlp.errors import InvalidArgumentError, NotDifferentiableError
from tinygrad_mlp.estimators import MLPClassifier, MLPRegressor
from tinygrad_mlp.estimators.objective import LOSSES, Objective

unconverged = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def arrays(estimator):
    return estimator.coefs_ + estimator.intercepts_


def assert_same(a, b, **tolerance):
    for got, want in zip(arrays(a), arrays(b), strict=True):
        np.testing.assert_allclose(got, want, **(tolerance or {"rtol": 0}))


# -- programs -------------------------------------------------------------------------------


@unconverged
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("solver", ["adam", "sgd", "adamw", "rmsprop"])
def test_plain_settings_run_as_a_program_in_the_precision_of_the_data(solver, dtype, X, targets):
    classifier = MLPClassifier((8,), solver=solver, batch_size=10, max_iter=30, random_state=0)
    classifier.fit(X.astype(dtype), targets["classes"])
    assert classifier.history_.execution == "a program"
    assert {a.dtype for a in arrays(classifier)} == {np.dtype(dtype)}
    assert classifier.predict_proba(X).dtype == dtype
    assert classifier.predict_log_proba(X).dtype == dtype


@unconverged
def test_small_batches_are_trained_in_blocks_where_nothing_reads_the_first_weights(rng):
    X = rng.normal(size=(160, 250))
    y = X[:, 0] > 0
    settings = {"hidden_layer_sizes": (80,), "solver": "sgd", "batch_size": 8, "max_iter": 20}
    blocks = MLPClassifier(alpha=0, random_state=0, **settings).fit(X, y)
    assert "in blocks of" in blocks.history_.execution
    watched = MLPClassifier(
        alpha=0, random_state=0, callbacks=[StepCounter()], **settings
    ).fit(X, y)
    assert watched.history_.execution == "a program"
    assert_same(blocks, watched, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(blocks.loss_curve_, watched.loss_curve_, rtol=1e-7)


class StepCounter(tg.callbacks.Callback):
    def __init__(self):
        self.steps = 0

    def on_step(self, run):
        self.steps += 1


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_the_losses_of_samples_have_the_mean_that_is_minimised(name, rng):
    loss = LOSSES[name]
    z, y = rng.normal(size=(5, 3)), np.eye(3)[[0, 2, 1, 1, 0]]
    each = loss.samples(z, y)
    assert each.shape == (5,)
    if loss.mean is not None:
        assert np.isclose(each.mean(), loss.mean(z, y), rtol=1e-12)


@unconverged
def test_the_penalty_leaves_the_biases_alone(rng):
    """Without data to speak of, weights shrink and biases stay."""
    X, y = np.zeros((20, 2)), np.zeros(20)
    settings = {"hidden_layer_sizes": (), "solver": "sgd", "momentum": 0, "random_state": 0,
                "loss": lambda prediction, target: 0 * prediction, "max_iter": 10}
    free, bound = (MLPRegressor(alpha=a, learning_rate_init=1.0, **settings).fit(X, y)
                   for a in (0, 10.0))
    assert_same_biases = zip(free.intercepts_, bound.intercepts_, strict=True)
    assert all((a == b).all() for a, b in assert_same_biases)
    # Each step: W − α W / n
    np.testing.assert_allclose(bound.coefs_[0], free.coefs_[0] * (1 - 10 / 20) ** 10, rtol=1e-12)


@unconverged
def test_the_loss_curve_has_the_means_over_the_samples_of_each_epoch():
    X, y = np.ones((3, 1)), np.array([1.0, 2.0, 4.0])
    settings = {"hidden_layer_sizes": (), "solver": "sgd", "learning_rate_init": 1e-12,
                "alpha": 0.0, "max_iter": 2, "batch_size": 2, "random_state": 0}
    regressor = MLPRegressor(**settings).fit(X, y)
    mean = 0.5 * np.mean((regressor.predict(X) - y) ** 2)
    np.testing.assert_allclose(regressor.loss_curve_, [mean, mean], rtol=1e-9)


# -- going on -------------------------------------------------------------------------------


@unconverged
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_parts_and_epochs_are_the_same(solver, X, targets):
    settings = {"solver": solver, "batch_size": 20, "random_state": 0, "dropout": 0.3}
    whole = MLPRegressor(max_iter=4, **settings).fit(X, targets["number"])
    parts = MLPRegressor(**settings)
    for _ in range(4):
        parts.partial_fit(X, targets["number"])
    assert_same(whole, parts, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(whole.loss_curve_, parts.loss_curve_, rtol=1e-9)
    assert (whole.n_iter_, parts.n_iter_) == (4, 1)


def test_what_a_part_has_trained_is_tried_again_only_where_it_has_changed(
    X, targets, monkeypatch
):
    seen, forward = [], tg.nn.Tanh.forward
    monkeypatch.setattr(tg.nn.Tanh, "forward", lambda self, x: seen.append(len(x)) or (
        forward(self, x)))
    regressor = MLPRegressor((4,), activation="tanh", random_state=0)
    for alpha, tried in ((0.5, [2]), (0.5, []), (0.25, [2]), (0.25, [])):
        regressor.set_params(alpha=alpha).partial_fit(X, targets["number"])
        assert seen == [*tried, 70], alpha
        seen.clear()


@pytest.mark.parametrize("own", ["loss", "activation"])
def test_functions_of_ones_own_are_tried_before_each_part(own, X, targets):
    seen = []

    def function(*args):
        seen.append(len(args[0]))
        return (args[0] - args[-1]) ** 2 if own == "loss" else tg.tanh(*args)

    regressor = MLPRegressor((4,), random_state=0, **{own: function})
    for _ in range(2):
        regressor.partial_fit(X, targets["number"])
    assert seen == [2, 70, 2, 70]


@pytest.mark.parametrize("bad", [lambda p, t: np.zeros(3), lambda p, t: p[:1]])
def test_a_loss_that_fits_no_more_changes_nothing(bad, X, targets):
    chosen = [lambda p, t: (p - t) ** 2]
    regressor, other = (MLPRegressor(
        (4,), loss=lambda p, t: chosen[0](p, t), activation=tg.nn.BatchNorm1d(4), dropout=0.3,
        batch_size=10, random_state=0) for _ in range(2))
    for each in (regressor, other):
        each.partial_fit(X, targets["number"])
    before = [a.copy() for a in arrays(regressor)]
    predicted = regressor.predict(X)
    good, chosen[0] = chosen[0], bad  # which cannot be seen without calling it
    with pytest.raises(tg.errors.TinygradError):
        regressor.partial_fit(X, targets["number"])
    for got, want in zip(arrays(regressor), before, strict=True):
        np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(regressor.predict(X), predicted)
    assert not regressor.network_.training
    chosen[0] = good
    for each in (regressor, other):
        each.partial_fit(X, targets["number"])
    for got, want in zip(arrays(regressor), arrays(other), strict=True):
        np.testing.assert_array_equal(got, want)  # as without the part that was refused


def test_numbers_that_are_not_finite_in_the_precision_of_the_network_are_refused(X, targets):
    regressor = MLPRegressor((4,), dtype="float32", random_state=0)
    regressor.partial_fit(X, targets["number"])
    with np.errstate(over="ignore"), pytest.raises(InvalidArgumentError, match="must be finite"):
        regressor.partial_fit(X * 1e300, targets["number"])


def test_the_penalty_is_that_of_the_present_weights(X):
    model = tg.nn.Sequential(tg.nn.Linear(1, 1, init=tg.nn.init.constant(2.0)))
    objective = Objective(model, LOSSES["squared_error"], alpha=2.0)
    model.layers[0].weight = tg.nn.Parameter([[3.0]])
    assert objective(np.zeros((1, 1)), np.zeros((1, 1))).item() == 9.0


def test_a_schedule_goes_on_over_parts(X, targets):
    seen = []
    regressor = MLPRegressor(
        learning_rate=tg.optim.schedule.step_decay(0.1, 0.5, every=1), solver="sgd",
        callbacks=[lambda run: seen.append(run.optimizer.current_lr())],
    )
    for _ in range(3):
        regressor.partial_fit(X, targets["number"])
    assert seen == [0.1, 0.05, 0.025]


def test_labels_that_the_first_part_lacks_may_come_later(X, targets):
    y = targets["classes"]
    classifier = MLPClassifier(random_state=0)
    classifier.partial_fit(X[y != "red"], y[y != "red"], classes=np.unique(y))
    classifier.partial_fit(X, y)
    assert list(classifier.classes_) == ["blue", "green", "red"]
    assert classifier.predict_proba(X).shape == (70, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c, X, y: c.partial_fit(X, y), "classes must be passed"),
        (lambda c, X, y: c.partial_fit(X, y, classes=["blue", "green"]), "Got .'red'"),
        (lambda c, X, y: c.set_params(early_stopping=True).partial_fit(X, y, classes=set(y)),
         "early_stopping"),
    ],
)
def test_a_first_part_that_cannot_work_is_refused_and_changes_nothing(call, message, X, targets):
    classifier = MLPClassifier()
    with pytest.raises(InvalidArgumentError, match=message):
        call(classifier, X, targets["classes"])
    assert not hasattr(classifier, "classes_")
    assert not hasattr(classifier, "network_")


@unconverged
def test_a_warm_start_goes_on_and_a_cold_one_does_not(X, targets):
    y = targets["number"]
    warm, cold = (MLPRegressor(warm_start=w, max_iter=3, random_state=0) for w in (True, False))
    first = warm.fit(X, y).loss_
    cold.fit(X, y)
    assert_same(warm, cold)
    assert warm.fit(X, y).loss_ < first == cold.fit(X, y).loss_
    assert (len(warm.loss_curve_), len(cold.loss_curve_)) == (6, 3)


@unconverged
@pytest.mark.parametrize(
    ("change", "y", "message"),
    [
        ({"hidden_layer_sizes": (7,)}, None, r"layers of \[6, 100, 3\].*Got \[6, 7, 3\]"),
        ({}, "violet", "Got .'violet'"),
    ],
)
def test_a_warm_start_with_another_network_is_refused(change, y, message, X, targets):
    classifier = MLPClassifier(warm_start=True, max_iter=2, random_state=0)
    classifier.fit(X, targets["classes"])
    before = [a.copy() for a in arrays(classifier)]
    labels = targets["classes"].astype("<U6")
    labels[0] = y or labels[0]
    with pytest.raises(InvalidArgumentError, match=message):
        classifier.set_params(**change).fit(X, labels)
    assert all((a == b).all() for a, b in zip(arrays(classifier), before, strict=True))


# -- ending ---------------------------------------------------------------------------------


def test_reaching_the_last_epoch_warns_and_converging_does_not(X, targets):
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        MLPRegressor(max_iter=2).fit(X, targets["number"])
    done = MLPRegressor(tol=10.0, n_iter_no_change=3, random_state=0).fit(X, targets["number"])
    assert done.n_iter_ == 5  # the first, and more than three that are no better by 10
    assert "has not improved by tol=10 for 3" in done.history_.stopped


@unconverged
@pytest.mark.parametrize("kind", ["classes", "labels", "number"])
def test_early_stopping_keeps_the_weights_of_the_best_score(kind, X, targets):
    class Scores(tg.callbacks.Callback):
        def on_epoch(self, run):
            seen.append([p.data.copy() for p in run.model.parameters()])

    seen = []
    cls = MLPRegressor if kind == "number" else MLPClassifier
    estimator = cls(
        early_stopping=True, validation_fraction=0.3, learning_rate_init=0.05, random_state=0,
        n_iter_no_change=5, max_iter=100, callbacks=[Scores()],
    ).fit(X, targets[kind])
    scores = estimator.validation_scores_
    assert len(scores) == estimator.n_iter_ == len(seen)
    assert estimator.best_validation_score_ == max(scores) > scores[0]
    assert estimator.best_loss_ is None
    best = seen[int(np.argmax(scores))]
    assert all((p.data == b).all() for p, b in zip(estimator.network_.parameters(), best,
                                                   strict=True))
    assert estimator.history_.validation_loss[-1] > 0
    accuracies = estimator.history_.validation_accuracy
    assert accuracies == ([None] * len(scores) if kind == "number" else scores)


@unconverged
def test_classes_are_held_out_in_their_proportion():
    held = []

    class Split(MLPClassifier):
        def _score(self, output, target, weight):
            held.append(target.mean(axis=0))
            return super()._score(output, target, weight)

    X = np.random.default_rng(0).normal(size=(100, 2))
    y = np.repeat([0, 1, 2], [50, 30, 20])
    Split((2,), early_stopping=True, max_iter=1, validation_fraction=0.2, random_state=0).fit(X, y)
    np.testing.assert_allclose(held[0], [0.5, 0.3, 0.2])
    y[0] = 3  # a class of one sample cannot be in both parts
    Split((2,), early_stopping=True, max_iter=1, random_state=0).fit(X, y)


def test_too_few_samples_to_hold_out_are_refused(X, targets):
    with pytest.raises(InvalidArgumentError, match="at least two samples to validate"):
        MLPRegressor(early_stopping=True, validation_fraction=0.01).fit(X, targets["number"])


@unconverged
def test_the_same_seed_gives_the_same_bits_and_another_does_not(X, targets):
    settings = {"dropout": 0.2, "early_stopping": True, "max_iter": 4, "batch_size": 20}
    a, b, c = (
        MLPClassifier(random_state=seed, **settings).fit(X, targets["classes"])
        for seed in (0, 0, 1)
    )
    assert_same(a, b)
    assert a.loss_curve_ == b.loss_curve_ != c.loss_curve_


# -- L-BFGS ---------------------------------------------------------------------------------


def test_l_bfgs_takes_functions_that_cannot_be_recorded(X, targets):
    def steep(z):
        return tg.tanh(z) if float(np.max(z.data if hasattr(z, "data") else z)) < 1e9 else z

    settings = {"solver": "lbfgs", "random_state": 0, "max_iter": 300, "tol": 1e-3}
    a = MLPRegressor((4,), steep, **settings).fit(X, targets["number"])
    b = MLPRegressor((4,), "tanh", **settings).fit(X, targets["number"])
    assert_same(a, b)
    assert a.history_.training_loss == a.loss_curve_
    assert a.loss_curve_[-1] < a.loss_curve_[0]


def test_l_bfgs_takes_a_parameter_that_is_a_number(X, targets):
    class Scaled(tg.nn.Module):
        def __init__(self):
            self.scale = tg.nn.Parameter(0.25)

        def forward(self, x):
            return tg.tanh(self.scale * x)

    model = MLPRegressor((4,), Scaled(), solver="lbfgs", max_iter=5, random_state=0)
    with pytest.warns(ConvergenceWarning):
        losses = model.fit(X, targets["number"]).loss_curve_
    assert losses[-1] < losses[0]


def test_l_bfgs_warns_where_it_has_not_converged(X, targets):
    with pytest.warns(ConvergenceWarning, match="L-BFGS ended"):
        stopped = MLPRegressor(solver="lbfgs", max_iter=2).fit(X, targets["number"])
    assert stopped.n_iter_ == 2
    assert not hasattr(stopped, "partial_fit")


# -- one's own parts ------------------------------------------------------------------------


@unconverged
def test_each_layer_can_have_its_own_activation_and_dropout(X, targets):
    own = MLPRegressor(
        (5, 4, 3), ["tanh", tg.nn.LeakyReLU(0.2), np.sin], dropout=[0, 0.5, 0], max_iter=2,
        random_state=0,
    ).fit(X, targets["number"])
    assert [type(layer).__name__ for layer in own.network_] == [
        "Linear", "Tanh", "Linear", "LeakyReLU", "Dropout", "Linear", "Function", "Linear",
        "Identity",
    ]
    assert own.predict(X).shape == (70,)
    assert (own.predict(X) == own.predict(X)).all()  # nothing is dropped in predictions


@unconverged
@pytest.mark.parametrize(
    "activation", ["relu", tg.nn.ReLU, tg.nn.ReLU(), tg.relu, lambda z: tg.maximum(z, 0)]
)
def test_an_activation_is_a_name_a_layer_or_a_function(activation, X, targets):
    a, b = (
        MLPClassifier((9,), chosen, max_iter=3, random_state=0).fit(X, targets["two classes"])
        for chosen in ("relu", activation)
    )
    assert_same(a, b, rtol=1e-12)


@unconverged
@pytest.mark.parametrize(
    ("kind", "loss"),
    [
        ("classes", tg.nn.categorical_cross_entropy),
        ("two classes", tg.nn.binary_cross_entropy),
        ("labels", lambda p, y: -(y * tg.log(p) + (1 - y) * tg.log(1 - p))),
        ("number", tg.nn.squared_error),
        ("numbers", lambda p, y: 0.5 * (p - y) ** 2),
        ("numbers", lambda p, y: tg.sum(0.5 * (p - y) ** 2, axis=1)),
    ],
)
def test_a_loss_of_ones_own_is_any_function_of_tensors(kind, loss, X, targets):
    cls = MLPRegressor if kind.startswith("number") else MLPClassifier
    a, b = (
        cls(max_iter=4, random_state=0, batch_size=25, **chosen).fit(X, targets[kind])
        for chosen in ({}, {"loss": loss})
    )
    assert_same(a, b, rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(a.loss_curve_, b.loss_curve_, rtol=1e-8)


@unconverged
@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
def test_a_loss_of_ones_own_takes_no_plain_number_of_what_it_is_given(solver, X, targets):
    def loss(prediction, target):
        return tg.sum((prediction - target) ** 2) * math.exp(tg.sum(prediction))

    regressor = MLPRegressor((2,), loss=loss, solver=solver, max_iter=2)
    with pytest.raises(NotDifferentiableError, match=r"Got math.exp\(tg.sum\(prediction\)\)"):
        regressor.fit(X, targets["numbers"])


def test_a_loss_may_ask_for_something_else_than_the_mean(rng):
    X = rng.uniform(size=(400, 1))
    y = rng.exponential(size=400)
    quantile = MLPRegressor(
        (), loss=lambda p, t: tg.maximum(0.9 * (t - p), -0.1 * (t - p)), random_state=0,
        learning_rate_init=0.05, max_iter=100,
    ).fit(X, y)
    assert 0.85 < np.mean(y <= quantile.predict(X)) < 0.95


@unconverged
def test_outputs_can_be_kept_positive(X, targets):
    y = np.abs(targets["number"])
    for output in ("softplus", "exp", tg.exp):
        regressor = MLPRegressor((5,), output_activation=output, max_iter=20, random_state=0)
        assert (regressor.fit(X, y).predict(5 * X) > 0).all()
    with pytest.raises(InvalidArgumentError, match="loss='poisson'"):
        MLPRegressor(loss="poisson", output_activation="softplus").fit(X, y)
    with pytest.raises(InvalidArgumentError, match="y must be >= 0"):
        MLPRegressor(loss="poisson").fit(X, -y)


@unconverged
@pytest.mark.parametrize(
    ("solver", "made"),
    [
        (tg.optim.RMSprop, tg.optim.RMSprop),
        (functools.partial(tg.optim.AdamW, weight_decay=0.1), tg.optim.AdamW),
        (lambda parameters, lr: tg.optim.SGD(parameters, lr, momentum=0.5), tg.optim.SGD),
    ],
)
def test_an_optimizer_is_made_by_any_function_of_parameters_and_rate(solver, made, X, targets):
    seen = []
    MLPRegressor(
        solver=solver, learning_rate_init=0.02, max_iter=2, callbacks=[lambda r: seen.append(r)]
    ).fit(X, targets["number"])
    assert type(seen[0].optimizer) is made
    assert seen[0].optimizer.current_lr() == 0.02


@pytest.mark.parametrize(
    ("solver", "message"),
    [
        (functools.partial(tg.optim.SGD, lr=0.1), r"must take \(parameters, lr\)"),
        (lambda parameters, lr: None, "Got None from it"),
    ],
)
def test_a_function_that_makes_no_optimizer_is_refused(solver, message, X, targets):
    with pytest.raises(InvalidArgumentError, match=message):
        MLPRegressor(solver=solver).fit(X, targets["number"])


@unconverged
def test_callbacks_see_records_epochs_and_steps(X, targets):
    counter = StepCounter()
    stopping = tg.callbacks.EarlyStopping(patience=1, min_delta=100.0, monitor="training_loss")
    regressor = MLPRegressor(batch_size=35, callbacks=[counter, stopping], random_state=0)
    regressor.fit(X, targets["number"])
    assert regressor.n_iter_ == 2
    assert counter.steps == 4
    assert regressor.history_.stopped.startswith("training_loss has not improved")


@unconverged
def test_a_callback_that_selects_by_the_training_loss_has_it_evaluated(X, targets):
    best = tg.callbacks.BestWeights("training_loss")
    settings = {"batch_size": 20, "max_iter": 3, "alpha": 0.0, "random_state": 0}
    regressor = MLPRegressor(callbacks=[best], **settings).fit(X, targets["number"])
    final = 0.5 * np.mean((regressor.predict(X) - targets["number"]) ** 2)
    np.testing.assert_allclose(min(regressor.history_.training_loss), final, rtol=1e-9)
    free = MLPRegressor(**settings).fit(X, targets["number"])
    assert regressor.loss_curve_ == free.loss_curve_ == free.history_.training_loss


@unconverged
def test_progress_is_shown_on_request(X, targets, capsys):
    settings = {"max_iter": 2, "random_state": 0, "early_stopping": True}
    MLPClassifier(**settings).fit(X, targets["classes"])
    assert capsys.readouterr().out == ""
    shown = MLPClassifier(verbose=True, **settings).fit(X, targets["classes"])
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        f"Iteration {i + 1}, loss = {loss:.8f}, validation score = {score:.6f}"
        for i, (loss, score) in enumerate(
            zip(shown.loss_curve_, shown.validation_scores_, strict=True)
        )
    ]
    MLPClassifier(verbose=True, solver="lbfgs", max_iter=2).fit(X, targets["classes"])
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_a_loss_that_explodes_says_where(X, targets):
    with pytest.warns(RuntimeWarning, match="the loss of iteration"), np.errstate(all="ignore"):
        regressor = MLPRegressor(solver="sgd", learning_rate_init=1e30, random_state=0)
        regressor.fit(X, targets["number"])
    assert "the loss of iteration" in regressor.history_.stopped
    assert all(np.isfinite(a).all() for a in arrays(regressor))


def test_an_interruption_ends_training_with_a_warning_and_whole_weights(X, targets):
    class CtrlC(tg.callbacks.Callback):
        def on_epoch(self, run):
            if run.epoch == 2:
                raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="training was interrupted by Ctrl-C after iteration 2"):
        regressor = MLPRegressor(callbacks=[CtrlC()], random_state=0).fit(X, targets["number"])
    assert regressor.n_iter_ == 3
    assert np.isfinite(regressor.predict(X)).all()
