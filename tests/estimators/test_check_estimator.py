"""scikit-learn's own checks of an estimator: all of them, and none is expected to fail."""

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from tests.campaigns import chosen
from tinygrad_mlp.estimators import MLPClassifier, MLPRegressor

# Small and quick, since there are hundreds of fits; nothing else differs from the defaults.
QUICK = {"hidden_layer_sizes": (20,), "max_iter": 40, "learning_rate_init": 0.01}


@pytest.fixture(autouse=True)
def global_generator_restored(no_leaks):
    """Some of the checks themselves draw from NumPy's global generator."""
    state = np.random.get_state()
    yield
    np.random.set_state(state)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:.*larger than the:UserWarning")
@parametrize_with_checks(
    [
        MLPClassifier(**QUICK),
        MLPRegressor(**QUICK),
        MLPClassifier((5,), solver="lbfgs", max_iter=chosen(15, 40)),
        MLPRegressor((5,), solver="lbfgs", max_iter=chosen(15, 40)),
    ]
)
def test_scikit_learn_finds_nothing_wrong(estimator, check):
    check(estimator)
