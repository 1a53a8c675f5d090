"""`check_derivation` takes what people hand over: points, functions, gradients in any spelling."""

import numpy as np
import pytest

import tinygrad_mlp as tg
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.verify import WrongDerivationError, assert_derivation, check_derivation
from tinygrad_mlp.verify.derivations.check import OPTIONS

X = np.array([[0.5, -1.0, 0.3], [1.5, 0.2, -0.7], [-0.4, 0.9, 1.1], [0.3, 0.3, -1.2]])
Y = np.array([1.0, -0.5, 0.25, 0.75])
POINT = {"w": np.array([0.4, -0.3, 0.8]), "b": np.array(0.1)}


def loss(w, b):
    return 0.5 * np.sum((X @ w + b - Y) ** 2)


def of(w, b):
    e = X @ w + b - Y
    return X.T @ e, e.sum()


# -- the point ---------------------------------------------------------------------------------


def test_the_point_may_be_a_mapping():
    assert check_derivation(loss, lambda w, b: {"w": of(w, b)[0]}, POINT).ok


@pytest.mark.parametrize("name", OPTIONS)
def test_a_parameter_with_the_name_of_an_option_is_given_in_a_mapping(name):
    names = {"f": lambda **p: np.sum(p["w"] * p[name]),
             "g": lambda **p: {"w": p[name], name: p["w"]}}
    point = {"w": np.array([1.5, 2.0]), name: np.array([0.3, -0.4])}
    assert check_derivation(names["f"], names["g"], point).conclusive


@pytest.mark.parametrize("name", OPTIONS)
def test_a_parameter_that_clashes_with_an_option_is_an_error_that_shows_the_mapping(name):
    space = {"np": np}
    exec(f"def clashing(w, {name}):\n    return np.sum(w * {name})", space)
    with pytest.raises(InvalidArgumentError, match=f"mapping.*'{name}': {name}, 'w': w"):
        check_derivation(space["clashing"], {"w": np.ones(2)}, w=np.ones(2), **{
            name: None if name == "point" else 1.0})


BAD_POINTS = {
    "both ways": (dict(point=POINT, w=POINT["w"]), "one mapping or keyword arguments"),
    "not a mapping": (dict(point=np.ones(2)), "must be a mapping"),
    "empty": (dict(point={}), "must have a parameter"),
    "no tolerance": (dict(point=POINT, rtol="small"), "rtol"),
}


@pytest.mark.parametrize("case", BAD_POINTS)
def test_a_point_that_is_none_is_refused(case):
    keywords, words = BAD_POINTS[case]
    with pytest.raises(InvalidArgumentError, match=words):
        check_derivation(loss, {"w": np.ones(3)}, **keywords)


# -- how functions take the parameters ---------------------------------------------------------


def in_a_dict(p):
    return dict(zip("wb", of(p["w"], p["b"]), strict=True))


CALLS = {
    "the same names": lambda w, b: of(w, b),
    "another order of the same names": lambda b, w: of(w, b)[::-1],
    "other names": lambda weights, bias: of(weights, bias),
    "keywords of any name": lambda **p: {"w": of(**p)[0], "b": of(**p)[1]},
    "arguments by position": lambda *p: of(*p),
    "one dict": in_a_dict,
    "further arguments with defaults": lambda w, b, scale=1.0: of(w, b),
    "no arguments": lambda: of(**POINT),
}


@pytest.mark.parametrize("case", CALLS)
def test_a_derivation_takes_the_parameters_in_any_way(case):
    report = check_derivation(loss, CALLS[case], **POINT)
    assert report.conclusive, str(report)


def test_a_derivation_may_leave_out_parameters_that_it_does_not_need():
    report = check_derivation(lambda w, b: np.sum(w * 2.0) + b, lambda w: {"w": 2 + 0 * w}, **POINT)
    assert report.ok and report.not_given == ["b"]


LOSSES = {
    "other names": lambda weights, bias: loss(weights, bias),
    "one dict": lambda p: loss(p["w"], p["b"]),
    "arguments by position": lambda *p: loss(*p),
    "keywords of any name": lambda **p: loss(**p),
}


@pytest.mark.parametrize("case", LOSSES)
def test_a_loss_takes_the_parameters_in_any_way(case):
    assert check_derivation(LOSSES[case], lambda w, b: of(w, b), **POINT).conclusive


def test_one_parameter_may_be_called_otherwise_or_come_in_a_dict():
    w = np.array([0.5, 2.0])
    assert check_derivation(lambda v: np.sum(v**2), lambda x: 2 * x, w=w).conclusive
    assert check_derivation(
        lambda p: np.sum(p["w"] ** 2), lambda p: {"w": 2 * p["w"]}, w=w).conclusive


def test_a_function_of_other_parameters_is_refused():
    with pytest.raises(InvalidArgumentError, match=r"derived must take.*\(w, b\).*takes a, c, d"):
        check_derivation(loss, lambda a, c, d: of(a, c), **POINT)
    with pytest.raises(InvalidArgumentError, match="loss must take"):
        check_derivation(lambda w: np.sum(w), lambda w, b: of(w, b), **POINT)


# -- how gradients come back -------------------------------------------------------------------

SPELLINGS = ("{}", "d{}", "grad_{}", "{}_grad", "dL_d{}", "d_{}", "g_{}", "∂L/∂{}", "dL/d{}")


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_keys_are_understood_in_the_spellings_of_people(spelling):
    keys = [spelling.format(name) for name in "wb"]
    report = check_derivation(loss, lambda w, b: dict(zip(keys, of(w, b), strict=True)), **POINT)
    assert report.conclusive and list(report.rows) == ["w", "b"]


def test_a_parameter_that_is_spelt_like_a_gradient_is_itself():
    report = check_derivation(
        lambda w, dw: np.sum(w * dw**2), lambda w, dw: {"w": dw**2, "dw": 2 * w * dw},
        w=np.array([1.0, 2.5]), dw=np.array([0.3, -0.4]))
    assert report.conclusive


def test_a_gradient_given_twice_is_refused():
    with pytest.raises(InvalidArgumentError, match="once. Got it as 'w' and as 'dw'"):
        check_derivation(loss, lambda w, b: {"w": of(w, b)[0], "dw": of(w, b)[0]}, **POINT)


FORMS = {
    "a tuple": lambda w, b: of(w, b),
    "a list": lambda w, b: list(of(w, b)),
    "lists of numbers": lambda w, b: {"w": of(w, b)[0].tolist(), "b": float(of(w, b)[1])},
    "the loss and a dict": lambda w, b: (0.5, {"w": of(w, b)[0], "b": of(w, b)[1]}),
    "a tensor": lambda w, b: {"w": tg.Tensor(of(w, b)[0]), "b": of(w, b)[1]},
    "with the loss and a cache": lambda w, b: {
        "loss": 0.5, "cache": {"e": 1}, "dw": of(w, b)[0], "db": of(w, b)[1]},
}


@pytest.mark.parametrize("case", FORMS)
def test_gradients_come_in_any_form(case):
    assert check_derivation(loss, FORMS[case], **POINT).conclusive


def other_order(w, b, *, c=1.0):
    dw, db = of(w, b)
    db = c * db
    return db, dw


def loss_and_tuple(w, b):
    return 0.5, of(w, b)


@pytest.mark.parametrize("form", [other_order, loss_and_tuple, lambda w, b: other_order(w, b)])
def test_names_in_the_return_count_for_more_than_the_order(form):
    assert check_derivation(loss, form, **POINT).conclusive


def test_the_wrong_line_is_found_where_the_order_is_another_one():
    def wrong(w, b):
        e = X @ w + b - Y
        db = e.sum() * 3
        dw = X.T @ e
        return db, dw

    report = check_derivation(loss, wrong, **POINT, budget=60)
    assert list(report.diagnoses) == ["b"] and report.culprit.source.strip() == "db = e.sum() * 3"


def test_a_wrong_gradient_in_a_tuple_is_found_under_its_name():
    report = check_derivation(loss, lambda w, b: (-of(w, b)[0], of(w, b)[1]), **POINT)
    assert list(report.diagnoses) == ["w"] and report.diagnoses["w"].kind == "sign"


def test_a_tuple_of_another_length_is_refused():
    with pytest.raises(InvalidArgumentError, match=r"for each of w, b, in this order. Got 3"):
        check_derivation(loss, lambda w, b: (1, 2, 3), **POINT)


def test_what_has_no_meaning_is_told():
    report = check_derivation(
        loss, lambda w, b: {"w": of(w, b)[0], "residual": X @ w + b - Y, "cache": None}, **POINT)
    assert report.ok and not report.conclusive
    assert report.not_checked == ["cache", "residual"]
    assert "Not checked: cache, residual." in str(report)


def test_missing_gradients_are_told_and_are_not_all_right():
    report = check_derivation(loss, lambda w, b: {"w": of(w, b)[0]}, **POINT)
    assert report.ok and not report.conclusive
    assert "Not given: b." in str(report) and "All right" not in str(report)
    assert "All right." in str(check_derivation(loss, lambda w, b: of(w, b), **POINT))


def test_ones_before_a_shape_are_read_as_an_update_reads_them_and_told():
    def row(w):
        return 0.5 * np.sum((X @ w.reshape(3) - Y) ** 2)

    report = check_derivation(row, lambda w: {"dw": X.T @ (X @ w.ravel() - Y)},
                              w=POINT["w"].reshape(1, 3))
    assert report.ok and report.conclusive
    assert report.notes == ["Gradients were read as follows: w from dw, of shape (3,)."]


def test_the_right_numbers_in_another_shape_are_told_so():
    w = POINT["w"].reshape(3, 1)

    def column(w):
        return 0.5 * np.sum((X @ w.reshape(3) - Y) ** 2)

    report = check_derivation(column, lambda w: {"w": X.T @ (X @ w.ravel() - Y)}, w=w)
    assert not report.ok
    assert report.rows["w"].verdict == "other shape"
    assert "with the same numbers" in report.diagnoses["w"].message
    assert "WRONG" not in str(report)


# -- functions that do not repeat themselves ---------------------------------------------------


def test_a_loss_that_draws_random_numbers_is_refused(rng):
    def dropped(w):
        return np.sum(w * rng.normal(size=3))

    with pytest.raises(InvalidArgumentError, match="loss must give the same numbers"):
        check_derivation(dropped, lambda w: {"w": np.ones(3)}, w=POINT["w"])


def test_a_derivation_that_draws_random_numbers_is_refused(rng):
    with pytest.raises(InvalidArgumentError, match="derived, for w, must give the same numbers"):
        check_derivation(
            lambda w: np.sum(w**2), lambda w: {"w": 2 * w + 1e-6 * rng.normal(size=3)},
            w=POINT["w"])


def test_a_loss_that_seeds_its_own_generator_is_checked():
    def dropped(w):
        return np.sum(w * np.random.default_rng(0).normal(size=3))

    check_derivation(
        dropped, lambda w: {"w": np.random.default_rng(0).normal(size=3)}, w=POINT["w"]).assert_ok()


def stores(w, out=None):
    out = np.zeros(3) if out is None else out
    for i in range(3):
        out[i] = w[i] ** 2
    return np.sum(out)


def adds_in_place(w, out=None):
    out = np.zeros(3) if out is None else out
    out += w**2
    return np.sum(out)


@pytest.mark.parametrize(("loss", "line"), [(stores, r"out\[i\] = w"), (adds_in_place, "out .= w")])
def test_a_loss_that_fills_an_array_is_checked_if_the_array_is_its_own(loss, line):
    def gradients(w):
        return {"w": 2 * w}

    assert check_derivation(loss, gradients, w=POINT["w"]).conclusive
    elsewhere = np.zeros(3)
    where = rf"(?s)(in line \d+ of the loss| at ).*{line}"
    with pytest.raises(tg.errors.TinygradError, match=where):
        check_derivation(lambda w: loss(w, elsewhere), gradients, w=POINT["w"])


def test_a_loss_that_changes_its_argument_changes_what_other_names_mean():
    def loss(w):
        v = w
        v *= 3
        w[0] = 1.0
        return np.sum(w**2)

    assert check_derivation(loss, lambda w: np.where(np.arange(3) > 0, 18 * w, 0), w=POINT["w"]).ok
    assert tg.verify.check_grad(loss, POINT["w"]).ok


def test_functions_that_change_their_arguments_change_copies():
    def derived(w, b):
        e = X @ w + b - Y
        w *= 0
        return {"w": X.T @ e, "b": e.sum()}

    assert check_derivation(loss, derived, **POINT).conclusive


# -- a function of gradients in the place of the graph -----------------------------------------


def test_a_loss_without_a_graph_is_checked_against_a_function_of_gradients():
    torch = pytest.importorskip("torch")

    def by_torch(w, b):
        w, b = (torch.tensor(a, requires_grad=True) for a in (w, b))
        (0.5 * ((torch.tensor(X) @ w + b - torch.tensor(Y)) ** 2).sum()).backward()
        return {"w": w.grad, "b": b.grad}

    def torch_loss(w, b):
        return 0.5 * ((torch.tensor(X) @ w + b - torch.tensor(Y)) ** 2).sum()

    check = {"gradient": by_torch, **POINT}
    assert check_derivation(torch_loss, lambda w, b: of(w, b), **check).conclusive
    wrong = check_derivation(torch_loss, lambda w, b: (2 * of(w, b)[0], of(w, b)[1]), **check)
    assert [row.ok for row in wrong.rows.values()] == [False, True]
    assert wrong.diagnoses["w"].kind == "unknown"


def test_a_function_of_gradients_may_take_arguments_by_position_only():
    """As those that ``jax.grad`` returns."""
    def gradient(w, b, /):
        return of(w, b)

    assert check_derivation(
        lambda w, b: None, lambda w, b: of(w, b), gradient=gradient, **POINT).conclusive


def test_a_function_of_gradients_that_gives_not_all_of_them_is_refused():
    with pytest.raises(InvalidArgumentError, match="gradient must give a gradient of the shape"):
        check_derivation(loss, lambda w, b: of(w, b), gradient=lambda w, b: {"w": w}, **POINT)


# -- tests with pytest -------------------------------------------------------------------------


def test_assert_derivation_passes_right_ones_and_raises_the_report():
    assert_derivation(loss, lambda w, b: of(w, b), **POINT)
    with pytest.raises(WrongDerivationError, match="wrong sign"):
        assert_derivation(loss, lambda w, b: (-of(w, b)[0], of(w, b)[1]), **POINT)


def test_assert_derivation_fails_where_a_gradient_is_missing():
    with pytest.raises(AssertionError, match="Not given: b"):
        assert_derivation(loss, lambda w, b: {"w": of(w, b)[0]}, POINT)
