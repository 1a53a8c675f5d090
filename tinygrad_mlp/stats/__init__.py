"""Probability distributions: densities and distribution functions that can be differentiated.

Names, parameters and defaults are those of `scipy.stats`.
"""

from tinygrad_mlp.stats.multivariate import dirichlet, multivariate_normal
from tinygrad_mlp.stats.univariate import beta, chi2, gamma, norm, poisson, t

__all__ = ["beta", "chi2", "dirichlet", "gamma", "multivariate_normal", "norm", "poisson", "t"]
