"""What a notebook shows of tensors, modules, networks, programs, derivations and reports."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

import tinygrad_mlp as tg
from tinygrad_mlp.training.history import SHOWN, History, Record


def tensor():
    return tg.Tensor([[1.0, 2.0]], requires_grad=True, name="<w>")


def model():
    rng = np.random.default_rng(0)
    return tg.nn.Sequential(tg.nn.Linear(3, 4, rng=rng), tg.nn.Tanh(), tg.nn.Linear(4, 2, rng=rng))


def history(n=3, validation=True):
    made = History()
    for i in range(n):
        made.append(Record(i, i, 0.5, 1 / (i + 1), 0.5, 2.0 if validation else None, None))
    return made


def compiled():
    step = tg.compile(lambda x: tg.tanh(x) * 2)
    step(np.ones(3))
    return step


def network():
    return tg.NeuralNetwork([3, 4, 2], "mean_square", monitor=False, plot=False, seed=0)


def grad_report():
    return tg.verify.check_grad(tg.tanh, np.array([0.5, 1.0]))


def derivation_report(sign=1.0):
    W, x = np.ones((2, 3)), np.arange(3.0)
    return tg.verify.check_derivation(
        lambda W: tg.sum((W @ x) ** 2) / 2, lambda W: {"W": sign * np.outer(W @ x, x)}, W=W
    )


EVERYTHING = [
    tensor, model, history, compiled, lambda: compiled().program, lambda: tg.compile(tg.tanh),
    grad_report, derivation_report, lambda: derivation_report(-1.0), lambda: wrong_line(), History,
    lambda: network(),
]


@pytest.mark.parametrize("make", EVERYTHING)
def test_a_notebook_gets_well_formed_html(make):
    ElementTree.fromstring(f"<div>{make()._repr_html_().replace('<br>', '<br/>')}</div>")


def wrong_line():
    report = tg.verify.check_derivation(
        lambda w: tg.sum(w * w) / 2, twice_too_much, w=np.array([1.0, 2.0]))
    assert report.culprit is not None
    return report


def twice_too_much(w):
    gradient = (w < 9) * 2 * w
    return {"w": gradient}


def test_a_report_shows_the_wrong_line_with_the_expression_lit():
    html = wrong_line()._repr_html_()
    (marked,) = re.findall("<pre>(.*?)</pre>", html, re.DOTALL)[:1]
    assert re.search("<mark style=.*>.*</mark>", marked)
    assert re.sub("<.*?>", "", marked) == "gradient = (w &lt; 9) * 2 * w"
    assert "^" not in html and "makes all gradients right" in html


def cells(shown):
    page = ElementTree.fromstring(f"<div>{shown._repr_html_().replace('<br>', '<br/>')}</div>")
    return [["\n".join(cell.itertext()) for cell in row] for row in page.iter("tr")]


def test_a_tensor_shows_its_name_shape_numbers_and_gradient():
    w = tensor()
    assert cells(w) == [
        ["name", "shape", "dtype", "gradient"], ["<w>", "(1, 2)", "float64", "leaf"]
    ]
    assert "[[1. 2.]]" in w._repr_html_()
    y = tg.sum(w * w)
    assert cells(y)[1][-1] == "through sum"
    y.backward()
    assert "[[2. 4.]]" in w._repr_html_()


def test_a_module_shows_its_layers_and_their_numbers():
    assert cells(model()) == [
        ["module", "layer", "parameters", "numbers"],
        ["0", "Linear(3, 4)", "weight (4, 3)\nbias (4,)", "16"],
        ["1", "Tanh()", "", "0"],
        ["2", "Linear(4, 2)", "weight (2, 4)\nbias (2,)", "10"],
    ]
    assert "Sequential: 26 parameters" in model()._repr_html_()


def test_a_network_shows_its_picture_its_layers_and_its_training():
    shown = network()
    assert cells(shown)[1] == ["0", "Linear(3, 4, bias=False)", "weight (4, 3)", "12"]
    html = shown._repr_html_()
    assert html.startswith(shown.picture())
    assert "NeuralNetwork([3, 4, 2], loss=&#x27;mean_square&#x27;, 20 parameters)" in html
    assert "sgd, learning rate 1 / (100 + 10 k), batch size 1" in html
    assert "records" not in html
    shown.history = history()
    assert "History(3 records, 3 iterations" in shown._repr_html_()


def test_a_history_is_a_table_of_what_was_recorded():
    rows = cells(history(validation=False))
    assert rows[0] == ["iteration", "epoch", "seconds", "training loss", "training accuracy"]
    assert rows[1:] == [["0", "0", "0.5", "1", "0.5"], ["1", "1", "0.5", "0.5", "0.5"],
                        ["2", "2", "0.5", "0.333333", "0.5"]]
    stopped = history()
    stopped.stopped = "enough"
    assert "stopped: enough" in stopped._repr_html_()


def test_a_long_history_is_shown_by_its_ends():
    rows = cells(history(100))
    assert len(rows) == 1 + 2 * SHOWN + 1
    assert [row[0] for row in rows[SHOWN : SHOWN + 3]] == ["9", "…", "90"]


def test_a_program_is_shown_with_its_source():
    step = compiled()
    shown = step.program._repr_html_()
    assert "tanh(" in shown
    assert re.search(r"<summary>NumPy source</summary><pre>.*def ", shown, re.DOTALL)
    assert shown in step._repr_html_()
    assert "first call" in tg.compile(tg.tanh)._repr_html_()


def test_reports_are_tables_with_their_verdict():
    assert cells(grad_report())[1][5] == "ok"
    assert "No mistake was found." in grad_report()._repr_html_()
    assert cells(derivation_report())[1][1] == "right"
    wrong = derivation_report(-1.0)
    assert cells(wrong)[1][1] == "WRONG"
    assert wrong.diagnoses["W"].message.split()[0] in wrong._repr_html_()


def test_a_derivation_is_shown_as_mathematics():
    w = tensor()
    shown = tg.explain(tg.sum(w * w), w)._repr_latex_()
    assert shown.startswith("$$") and shown.endswith("$$") and "aligned" in shown
