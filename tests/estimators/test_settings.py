"""Settings of an estimator: precision, programs, threads, clipping, checkpoints; and skops."""

import signal

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import tinygrad_mlp as tg
from tinygrad_mlp.errors import CheckpointError, InvalidArgumentError
from tinygrad_mlp.estimators import MLPClassifier, MLPRegressor
from tinygrad_mlp.support.blas_threads import threads_now

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ESTIMATORS = {"classes": MLPClassifier, "two classes": MLPClassifier, "labels": MLPClassifier,
              "number": MLPRegressor, "numbers": MLPRegressor}
every_kind = pytest.mark.parametrize("kind", ESTIMATORS)


def fitted(kind, X, targets, **settings):
    settings = {"max_iter": 6, "batch_size": 20, "random_state": 0, **settings}
    return ESTIMATORS[kind]((6,), "tanh", **settings).fit(X, targets[kind])


def assert_same_bits(a, b):
    for one, two in zip(a.coefs_ + a.intercepts_, b.coefs_ + b.intercepts_, strict=True):
        np.testing.assert_array_equal(one, two)
    assert a.loss_curve_ == b.loss_curve_ and a.n_iter_ == b.n_iter_
    assert a.validation_scores_ == b.validation_scores_


# -- precision, programs, threads, clipping -----------------------------------------------------


@every_kind
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("dtype", ["float32", np.float64])
def test_the_precision_of_the_network_can_be_chosen(kind, solver, dtype, X, targets):
    settings = {"solver": solver, "dtype": dtype}
    if solver == "lbfgs":
        settings["batch_size"] = "auto"
    for given in (X, X.astype(np.float32)):
        estimator = fitted(kind, given, targets, **settings)
        assert {a.dtype for a in estimator.coefs_} == {np.dtype(dtype)}
    converted = fitted(kind, X.astype(dtype), targets, **{**settings, "dtype": None})
    assert_same_bits(fitted(kind, X, targets, **settings), converted)


def test_training_goes_on_in_its_precision_only(X, targets):
    regressor = MLPRegressor(dtype="float32", random_state=0).partial_fit(X, targets["number"])
    regressor.partial_fit(X, targets["number"])
    regressor.set_params(dtype="float64")
    with pytest.raises(InvalidArgumentError, match="continue with dtype='float32'"):
        regressor.partial_fit(X, targets["number"])


def test_steps_are_compiled_on_request(X, targets):
    eager, program = (fitted("classes", X, targets, compiled=c) for c in (False, True))
    assert eager.history_.execution == "eager" and program.history_.execution == "a program"
    np.testing.assert_allclose(eager.predict_proba(X), program.predict_proba(X), rtol=1e-9)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_the_threads_of_blas_are_those_asked_for(solver, X, targets):
    seen = []

    def loss(prediction, target):
        seen.append(threads_now())
        return (prediction - target) ** 2

    before = threads_now()
    MLPRegressor(loss=loss, solver=solver, threads=1, compiled=False, max_iter=2).fit(
        X, targets["number"])
    assert seen[-1] == 1 and threads_now() == before


@every_kind
def test_clipped_gradients_are_those_of_the_callback(kind, X, targets):
    clip = tg.callbacks.ClipGradients(0.01)
    found = fitted(kind, X, targets, solver="sgd", clip_gradients=0.01)
    assert_same_bits(found, fitted(kind, X, targets, solver="sgd", callbacks=[clip]))
    assert clip.norm > 0.01
    free = fitted(kind, X, targets, solver="sgd", clip_gradients=1e9)
    assert_same_bits(free, fitted(kind, X, targets, solver="sgd", clip_gradients=1e8))
    assert np.abs(free.coefs_[0] - found.coefs_[0]).max() > 1e-6


# -- checkpoints ---------------------------------------------------------------------------------


class Stopping(tg.callbacks.Callback):
    """Ends training with Ctrl-C after some epochs, like a person."""

    def __init__(self, after):
        self.after = after

    def on_epoch(self, run):
        if run.epoch + 1 == self.after:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.usefixtures("ctrl_c")
@every_kind
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("after", [1, 3, 6])
def test_a_training_that_was_cut_off_goes_on_to_the_same_bits(
        kind, early_stopping, after, X, targets, tmp_path):
    settings = {"early_stopping": early_stopping, "dropout": 0.1, "validation_fraction": 0.3}
    path = tmp_path / "run.safetensors"
    whole = fitted(kind, X, targets, **settings)
    with pytest.warns(UserWarning, match="interrupted"):
        fitted(kind, X, targets, checkpoint=path, callbacks=[Stopping(after)], **settings)
    resumed = fitted(kind, X, targets, checkpoint=path, **settings)
    assert_same_bits(resumed, whole)
    assert_same_bits(fitted(kind, X, targets, checkpoint=path, **settings), whole)


@pytest.mark.parametrize("change", [
    {"alpha": 0.5}, {"solver": "sgd"}, {"batch_size": 7},
    {"random_state": 1, "early_stopping": True}])
def test_the_checkpoint_of_another_training_is_refused(change, X, targets, tmp_path):
    path = tmp_path / "run.safetensors"
    fitted("classes", X, targets, checkpoint=path)
    with pytest.raises(CheckpointError, match="another training"):
        fitted("classes", X, targets, checkpoint=path, **change)


@pytest.mark.usefixtures("ctrl_c")
def test_callbacks_with_a_state_resume(X, targets, tmp_path):
    path = tmp_path / "run.safetensors"

    def best():
        return tg.callbacks.BestWeights("training_loss")

    whole = fitted("number", X, targets, callbacks=[best()])
    with pytest.warns(UserWarning, match="interrupted"):
        fitted("number", X, targets, checkpoint=path, callbacks=[best(), Stopping(2)])
    assert_same_bits(fitted("number", X, targets, checkpoint=path, callbacks=[best()]), whole)
    with pytest.raises(tg.errors.TinygradError, match="callbacks must be those"):
        fitted("number", X, targets, checkpoint=path)


def test_parts_and_warm_starts_have_no_checkpoint(X, targets, tmp_path):
    settings = {"checkpoint": tmp_path / "run.safetensors", "max_iter": 2}
    with pytest.raises(InvalidArgumentError, match="one training from its start"):
        MLPRegressor(**settings).partial_fit(X, targets["number"])
    regressor = MLPRegressor(warm_start=True, **settings).fit(X, targets["number"])
    with pytest.raises(InvalidArgumentError, match="one training from its start"):
        regressor.fit(X, targets["number"])


# -- callbacks -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["classes", "two classes", "labels"])
def test_the_training_accuracy_can_be_monitored(kind, X, targets):
    best = tg.callbacks.BestWeights("training_accuracy")
    classifier = fitted(kind, X, targets, callbacks=[best], learning_rate_init=0.05)
    accuracies = classifier.history_.training_accuracy
    assert len(accuracies) == 6
    assert max(accuracies) == best.best == classifier.score(X, targets[kind])


def test_a_regressor_has_no_accuracy_to_monitor(X, targets):
    with pytest.raises(InvalidArgumentError, match="does not record training_accuracy"):
        fitted("number", X, targets, callbacks=[tg.callbacks.BestWeights("training_accuracy")])


def test_callbacks_may_change_gradients(X, targets):
    class Stopped(tg.callbacks.Callback):
        def on_gradients(self, run):
            for p in run.optimizer.parameters:
                p.grad = np.zeros_like(p.data)

    found = [fitted("number", X, targets, solver="sgd", alpha=0, max_iter=n, callbacks=[Stopped()])
             for n in (1, 4)]
    np.testing.assert_array_equal(found[0].coefs_[0], found[1].coefs_[0])


@pytest.mark.parametrize("within", ["alone", "a pipeline", "a tuple", "fitted"])
def test_a_clone_has_callbacks_of_its_own(within, X, targets):
    stopping = tg.callbacks.EarlyStopping(monitor="training_loss", patience=1, min_delta=9.0)
    callbacks = (stopping,) if within == "a tuple" else [stopping]
    estimator = MLPRegressor((3,), callbacks=callbacks, random_state=0)
    if within == "fitted":
        estimator.fit(X, targets["number"])
    whole = make_pipeline(StandardScaler(), estimator) if within == "a pipeline" else estimator
    other = clone(whole)[-1] if within == "a pipeline" else clone(whole)
    assert other.callbacks[0] is not stopping
    before = vars(stopping).copy()
    other.fit(X[:35], targets["number"][:35])
    assert vars(stopping) == before


# -- skops ---------------------------------------------------------------------------------------


PARTS = {
    "the defaults": {}, "early stopping": {"early_stopping": True, "validation_fraction": 0.3},
    "a layer": {"activation": tg.nn.LeakyReLU(0.1)}, "dropout": {"dropout": 0.2},
    "L-BFGS": {"solver": "lbfgs", "batch_size": "auto"},
    "a schedule": {"solver": "sgd", "learning_rate": tg.optim.schedule.cosine(0.1, 0.001, 40)},
    "a callback": {"callbacks": [tg.callbacks.BestWeights("training_loss")]},
    "single precision": {"dtype": "float32"}}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("kind", ["classes", "two classes", "number"])
def test_skops_stores_estimators_that_predict_and_go_on_as_before(kind, part, X, targets):
    skops = pytest.importorskip("skops.io", reason="skops is not installed")
    estimator = ESTIMATORS[kind]((4,), max_iter=5, random_state=0).set_params(**PARTS[part])
    estimator.fit(X, targets[kind])
    stored = skops.dumps(estimator)
    loaded = skops.loads(stored, trusted=skops.get_untrusted_types(data=stored))
    np.testing.assert_array_equal(loaded.predict(X), estimator.predict(X))
    assert loaded.history_.training_loss == estimator.history_.training_loss
    if part not in ("L-BFGS", "early stopping"):
        for each in (loaded, estimator):
            each.partial_fit(X, targets[kind])
        np.testing.assert_array_equal(loaded.predict(X), estimator.predict(X))
