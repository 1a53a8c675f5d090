"""A classifier and a regressor for scikit-learn, trained by `fit` on exact gradients."""

from tinygrad_mlp.estimators.classifier import MLPClassifier
from tinygrad_mlp.estimators.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
