"""Logistic regression: a loss in one line, SciPy's minimisers, and how sure the result is.

    python examples/logistic_regression.py [picture.png]

To learn: `tg.value_and_grad` and `tg.hessian` of a function are what `scipy.optimize.minimize` asks
for; nothing is derived. At the minimum, the inverse of the Hessian is the covariance matrix of the
coefficients (Laplace's approximation: Bishop, "Pattern Recognition and Machine Learning", 4.5.1).
The data are Wisconsin's measurements of 569 tumours, which come with scikit-learn.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import minimize
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression

import tinygrad_mlp as tg


def main(picture: str = "logistic_regression.png") -> None:
    data = load_breast_cancer()
    raw, names = data.data[:, :10], data.feature_names[:10]
    X = tg.data.standardise(raw, raw.mean(axis=0), raw.std(axis=0))
    y = 1.0 - data.target  # 1 means malignant

    def loss(theta):  # the slope of the regression and, last, its intercept
        w, b = theta[:-1], theta[-1]
        fit = tg.nn.sigmoid_cross_entropy(X @ w + b, y, reduction="sum")
        return fit + 0.5 * w @ w  # a prior N(0, 1) for each coefficient

    start = np.zeros(11)
    value_and_slope, curvature = tg.value_and_grad(loss), tg.hessian(loss)
    for method, more in {"L-BFGS-B": {}, "trust-exact": {"hess": curvature}}.items():
        best = minimize(value_and_slope, start, jac=True, method=method, tol=1e-10, **more)
        print(f"{method:11}: {best.nit:3} steps to a loss of {best.fun:.6f} nats")
    theirs = LogisticRegression(C=1.0, tol=1e-10, max_iter=1000).fit(X, y).coef_[0]
    print(f"largest difference from scikit-learn's: {np.abs(best.x[:-1] - theirs).max():.0e}")
    right = ((X @ best.x[:-1] + best.x[-1] > 0) == y).mean()
    print(f"{right:.1%} of the tumours are on the right side")

    w, deviation = best.x[:-1], np.sqrt(np.diag(np.linalg.inv(curvature(best.x))))[:-1]
    sure = np.abs(w) > 1.96 * deviation
    print(f"surely not 0: {', '.join(names[sure])}")
    order = np.argsort(w)
    figure, axes = plt.subplots(figsize=(7.5, 4.4), layout="constrained")
    axes.axvline(0, color="black", linewidth=0.8)
    for i, k in enumerate(order):
        axes.errorbar(w[k], i, xerr=1.96 * deviation[k], capsize=3, markersize=7,
                      marker="o" if sure[k] else "s", color="#0072B2" if sure[k] else "#767676",
                      markerfacecolor=None if sure[k] else "white")
    axes.set_yticks(range(10), names[order])
    axes.set_title("What speaks for a malignant tumour: 95 % intervals")
    axes.set_xlabel("change of the log-odds (nats) per standard deviation of the measurement")
    figure.savefig(picture, dpi=120)


if __name__ == "__main__":
    main(*sys.argv[1:2])
