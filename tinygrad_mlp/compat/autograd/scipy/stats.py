"""Distributions: `tg.stats`, with what only `scipy.stats` has, such as samples, beside it."""

from __future__ import annotations

from typing import Any

from tinygrad_mlp import stats

__all__ = ["beta", "chi2", "dirichlet", "gamma", "multivariate_normal", "norm", "poisson", "t"]


class ScipyDistribution:
    """The functions of `tg.stats` that can be differentiated, and SciPy's others."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        ours = getattr(stats, self._name)
        if hasattr(ours, name):
            return getattr(ours, name)
        from scipy import stats as of_scipy  # loaded when it is needed

        return getattr(getattr(of_scipy, self._name), name)


beta, chi2, dirichlet, gamma, multivariate_normal, norm, poisson, t = map(
    ScipyDistribution, __all__)
