"""The picture of a fully connected network: its units, its weights, and what is left out."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

import tinygrad_mlp as tg
from tinygrad_mlp.drawing.neurons import MOST_UNITS, NEGATIVE, POSITIVE, neurons

SVG = "{http://www.w3.org/2000/svg}"


def network(layers, **options):
    return tg.NeuralNetwork(layers, monitor=False, plot=False, seed=0, **options)


def drawn(picture):
    """Units by column (their heights), lines, and texts."""
    root = ElementTree.fromstring(picture)
    columns = {}
    for circle in root.iter(f"{SVG}circle"):
        if circle.get("fill") == "none":
            columns.setdefault(circle.get("cx"), []).append(float(circle.get("cy")))
    lines = [line.attrib for line in root.iter(f"{SVG}line")]
    return list(columns.values()), lines, [text.text for text in root.iter(f"{SVG}text")]


def test_every_unit_and_every_weight_of_a_small_network_is_shown():
    columns, lines, texts = drawn(network([3, 5, 4, 2]).picture())
    assert list(map(len, columns)) == [3, 5, 4, 2]
    assert len(lines) == 3 * 5 + 5 * 4 + 4 * 2
    assert texts == ["x", "3 inputs", "a2", "5 tanh", "a3", "4 tanh", "ŷ", "2 sigmoid"]


def test_columns_are_centred_and_their_units_in_order():
    for column in drawn(network([1, 6, 3]).picture())[0]:
        assert np.mean(column) == 90 and column == sorted(column)


@pytest.mark.parametrize("size", [MOST_UNITS, MOST_UNITS + 1, 784, 10_000])
def test_of_large_layers_a_few_units_are_shown_and_a_gap_is_left(size):
    columns, lines, texts = drawn(network([size, 2]).picture())
    gaps = set(np.diff(columns[0]))
    assert len(columns[0]) == (size if size <= MOST_UNITS else MOST_UNITS - 1)
    assert gaps == ({30.0} if size <= MOST_UNITS else {30.0, 60.0})
    assert len(lines) == 2 * len(columns[0])
    assert f"{size:,} inputs" in texts


def test_a_line_tells_sign_and_size_of_the_weight_between_its_units():
    weights = np.array([[3.0, -1.5], [0.0, 0.75]])
    columns, lines, _ = drawn(neurons([weights], [("x", ""), ("y", "")]))
    found = {}
    for line in lines:
        of, to = columns[0].index(float(line["y1"])), columns[1].index(float(line["y2"]))
        found[to, of] = (line["stroke"], "stroke-dasharray" in line, float(line["stroke-width"]))
    assert found == {
        (0, 0): (POSITIVE, False, 2.5), (0, 1): (NEGATIVE, True, 1.4),
        (1, 0): (POSITIVE, False, 0.3), (1, 1): (POSITIVE, False, 0.85),
    }


def test_the_units_shown_are_the_first_and_the_last():
    weights = np.zeros((1, 100))
    weights[0, 99] = -1.0
    _, lines, _ = drawn(neurons([weights], [("x", ""), ("y", "")]))
    assert [line["stroke"] for line in lines].index(NEGATIVE) == len(lines) - 1


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_weights_of_zero_or_not_finite_are_drawn_too(value):
    _, lines, _ = drawn(neurons([np.full((2, 2), value)], [("x", ""), ("y", "")]))
    assert all(np.isfinite(float(line["stroke-width"])) for line in lines)


def test_captions_are_text_and_nothing_else():
    picture = neurons([np.eye(2)], [("<b>", "a & b"), ('"', "'")])
    assert drawn(picture)[2] == ["<b>", "a & b", '"', "'"]
