"""Terms of the variables in scope, looked up by their values."""

import numpy as np
import pytest

from tinygrad_mlp.verify.wrong_line.expressions.terms import Pool, fingerprints

rng = np.random.default_rng(0)
SCOPE = {"A": rng.normal(size=(3, 4)), "B": rng.normal(size=(3, 4)), "p": rng.uniform(size=3),
         "n": 12, "eps": 0.3}


@pytest.mark.parametrize("text", [
    "A", "A.T", "1 - p", "A ** 2", "(p > 0.5) * 1.0", "np.tanh(B)", "np.sqrt(n)", "A.shape[1]",
    "A.sum()", "B.mean(1, keepdims=True)", "A * B", "A / n", "B - A", "A + eps", "p @ B", "A.T @ B",
    "A @ B.T", "(A * B).sum(1, keepdims=True)", "(A - B).mean(0)", "1 - eps"])
def test_a_term_is_found_by_its_value(text):
    scope = {**SCOPE, "p": SCOPE["p"] - 0.5} if ">" in text else SCOPE
    wanted = np.asarray(eval(text.replace("p > 0.5", "p > 0"), {"np": np, **scope}))
    found = [term.text for term in Pool(scope).find(wanted)]
    assert found
    for each in found:
        assert np.allclose(eval(each, {"np": np, **scope}), wanted)


def test_of_equal_terms_the_shortest_is_kept():
    wanted = np.array([2.0, 4.0])
    found = Pool({"a": np.array([1.0, 2.0]), "b": wanted}).find(wanted)
    assert [term.text for term in found] == ["b"]


def test_the_text_of_every_term_has_its_value():
    for term in Pool(SCOPE).terms[::7]:
        assert np.allclose(eval(term.text, {"np": np, **SCOPE}), term.value)


def test_arrays_that_broadcast_to_each_other_have_the_same_fingerprint():
    column = rng.normal(size=(3, 1))
    wide = np.broadcast_to(column, (3, 4))
    (narrow,), (copied,) = fingerprints(column[np.newaxis]), fingerprints(wide[np.newaxis])
    assert narrow[0] == copied[0] == (3,) and np.isclose(narrow[1], copied[1])


@pytest.mark.parametrize("value", [np.zeros(3), np.array([1.0, np.nan]), np.zeros((2, 0))])
def test_what_tells_nothing_has_no_fingerprint(value):
    assert fingerprints(value[np.newaxis]) == [(None, 0.0)]
