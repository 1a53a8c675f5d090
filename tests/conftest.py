"""For all tests: the profiles, naive derivatives, and a guard against leaked state.

``pytest --thorough`` runs the long campaigns in full: tests marked ``thorough``, which are left out
otherwise, every planted mistake, and ten times as many of Hypothesis's examples or more, new ones
every time.
"""

from __future__ import annotations

import os
import signal
import sys
import warnings

# Before NumPy is loaded: tests compute with small arrays, for which BLAS on several threads mostly
# waits, and several tests run side by side. Tests of threads ask for more themselves.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Children load the package, too: where no bytecode may be kept, each would compile all of it anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ["MPLBACKEND"] = "Agg"  # before anything imports matplotlib: no test opens a window

import numpy as np
import pytest
from hypothesis import settings

from tests.campaigns import QUICK, QUICK_EXAMPLES, THOROUGH, THOROUGH_EXAMPLES
from tests.documents import Documents
from tinygrad_mlp.autograd.mode import MODE
from tinygrad_mlp.autograd.op import OPS
from tinygrad_mlp.verify.wrong_line.running.budget import Budget

sys.dont_write_bytecode = False  # the tests, too, are compiled once
settings.register_profile(
    QUICK, derandomize=True, deadline=None, print_blob=True, max_examples=QUICK_EXAMPLES
)
settings.register_profile(
    THOROUGH, deadline=None, print_blob=True, max_examples=THOROUGH_EXAMPLES
)
settings.load_profile(QUICK)


def pytest_addoption(parser):
    """Let the command line choose the profile."""
    explanation = "run the long campaigns in full (a quarter of an hour on two cores)"
    parser.addoption("--thorough", action="store_true", help=explanation)


def pytest_configure(config):
    """Choose the profile, and run the documentation's snippets, too.

    From here, as a plugin sees files of all folders.
    """
    config.addinivalue_line("markers", f"{THOROUGH}: part of a campaign that --thorough runs")
    settings.load_profile(THOROUGH if config.option.thorough else QUICK)
    config.pluginmanager.register(Documents())


def pytest_collection_modifyitems(config, items):
    """Leave out what only ``--thorough`` runs."""
    if not config.option.thorough:
        left_out = [item for item in items if item.get_closest_marker(THOROUGH)]
        items[:] = [item for item in items if not item.get_closest_marker(THOROUGH)]
        config.hook.pytest_deselected(items=left_out)


def global_state():
    """Everything in this process that a test could leave changed for the next one."""
    kind, keys, *rest = np.random.get_state()
    return {
        "the recording mode (no_grad, debug)": MODE.get(),
        "numpy's error handling": np.geterr(),
        "the registry OPS": list(OPS.items()),
        "numpy's global random state": (kind, keys.tobytes(), *rest),
    }


@pytest.fixture(autouse=True)
def no_leaks():
    """Fails a test that leaves global state changed, and puts back what others depend on."""
    before, ops = global_state(), dict(OPS)
    yield
    changed = [what for what, value in global_state().items() if value != before[what]]
    if changed:
        MODE.set(before["the recording mode (no_grad, debug)"])
        np.seterr(**before["numpy's error handling"])
        OPS.clear()
        OPS.update(ops)
        pytest.fail(f"this test changed {', '.join(changed)}")


@pytest.fixture
def ctrl_c():
    """The usual way with Ctrl-C, which a process started in the background has not inherited."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def unhurried(monkeypatch):
    """Gives each search for a wrong line a minute, so that a busy machine changes no text."""
    begin = Budget.__init__

    def begin_with_a_minute(self, seconds=5.0, *arguments, **options):
        begin(self, max(seconds, 60.0), *arguments, **options)

    monkeypatch.setattr(Budget, "__init__", begin_with_a_minute)


@pytest.fixture
def rng():
    """A generator with the same numbers for every test."""
    return np.random.default_rng(20240229)


def central_difference(f, x, h=1e-4):
    """∂f/∂x of a function that returns one number, one element of x at a time.

    Five points: the error is about h⁴ of the fifth derivative, and 1e-16 / h of rounding.
    """
    gradient = np.zeros(x.shape)
    for place in np.ndindex(x.shape):

        def at(step, place=place):
            nudged = x.copy()
            nudged[place] += step
            return float(f(nudged))

        gradient[place] = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)
    return gradient


def complex_step(f, x, h=1e-30):
    """The same without subtraction: ``f(x + ih) = f(x) + ih f′(x) + …``, exact to rounding."""
    gradient = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        nudged = x.astype(complex)
        nudged[place] += 1j * h
        gradient[place] = np.imag(f(nudged)) / h
    return gradient


def numeric(f, x):
    """∂f/∂x and how exact it is: by complex step where `f` can take it, else by differences."""
    near = central_difference(f, x)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("error")
            exact = complex_step(f, x)
    except (TypeError, ValueError, Warning):
        return near, 1e-8
    # Not every function that accepts complex numbers is analytic: |x|, for one, is not.
    analytic = np.allclose(exact, near, rtol=1e-6, atol=1e-6)
    return (exact, 1e-11) if analytic else (near, 1e-8)


@pytest.fixture(scope="session")
def numeric_gradient():
    """``numeric_gradient(f, x)``: ∂f/∂x by nudging x, for a function that returns one number."""
    return lambda f, x: numeric(f, np.array(x, dtype=float))[0]


@pytest.fixture(scope="session")
def assert_derivative():
    """``assert_derivative(g, f, x)``: that g is ∂f/∂x, as exactly as numbers can tell."""

    def check(gradient, f, x, where=""):
        expected, exactness = numeric(f, x)
        scale = np.maximum(1, np.max(np.abs(expected), initial=0))
        np.testing.assert_allclose(
            gradient, expected, rtol=exactness, atol=exactness * scale, err_msg=where, strict=True
        )

    return check
