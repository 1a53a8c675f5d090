"""Photographs of drawings: uneven light, specks and slant; what cannot be told is not told."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

import tinygrad_mlp as tg
from tests.campaigns import chosen
from tinygrad_mlp.cli import photograph, predict
from tinygrad_mlp.cli.image import ReadDrawing, read_ink
from tinygrad_mlp.errors import DataError

DIGITS = tg.data.load("digits")
SHAPE, SIZE = (28, 28), 20


def page(number, place=(40, 70), side=110):
    """One of scikit-learn's digits as ink from 0 to 1 on a page of 200×280 pixels."""
    drawing = ndimage.zoom(DIGITS.X[number].reshape(8, 8) / 16, side / 8, order=1)
    ink = np.zeros((200, 280))
    rows, columns = (slice(start, start + n) for start, n in zip(place, drawing.shape, strict=True))
    ink[rows, columns] = np.clip(1.6 * ndimage.gaussian_filter(drawing, 2) - 0.3, 0, 1)
    return ink


def light(angle, depth, edge):
    """Light that falls off across the page and, if there is an edge, is less beyond it."""
    y, x = np.mgrid[:200, :280] / 280
    along = (x - 0.5) * np.cos(angle) + (y - 0.36) * np.sin(angle)
    level = 1 - depth * (along + 0.62) / 1.24
    return level * (1 - 0.3 / (1 + np.exp(-along / 0.04))) if edge else level


def saved(grey, folder, rng=None):
    noise = 0 if rng is None else rng.normal(size=grey.shape) * 6
    path = folder / "photograph.png"
    Image.fromarray(np.clip(grey + noise, 0, 255).round().astype(np.uint8)).save(path)
    return path


@settings(max_examples=chosen(12, 200), deadline=None)
@given(number=st.integers(0, 99), angle=st.floats(0, 6.28), depth=st.floats(0.35, 0.6),
       edge=st.booleans(), invert=st.booleans())
def test_a_drawing_in_a_shadow_is_read_nearly_as_without_it(
    tmp_path_factory, number, angle, depth, edge, invert
):
    folder = tmp_path_factory.getbasetemp()
    ink, rng = page(number), np.random.default_rng(number)
    even = read_ink(saved(220 - 160 * ink, folder), SHAPE, SIZE)
    # A drawing in white chalk is on a board that still reflects a third of the light.
    reflected = 70 + 180 * ink if invert else 220 - 160 * ink
    shaded = saved(reflected * light(angle, depth, edge), folder, rng)
    read = read_ink(shaded, SHAPE, SIZE)
    assert (even.dark_on_light, read.dark_on_light) == (True, not invert)
    alike = np.corrcoef(even.ink.ravel(), read.ink.ravel())[0, 1]
    assert alike > 0.65
    assert read.ink.min() == 0 and read.ink.max() == 1


def test_the_light_of_photographs_and_not_of_plain_pictures_is_called_uneven():
    for number in range(20):
        plain = 220 - 160 * page(number)
        assert not photograph.is_uneven(plain)
        assert not photograph.is_uneven(plain[38:152, 68:182])  # fills the picture
        assert photograph.is_uneven(plain * light(number, 0.5, number % 2))
    bar = np.zeros((54, 45))
    bar[36:, 9:36] = 255
    assert not photograph.is_uneven(bar)


def test_dirt_and_the_edge_of_the_paper_are_left_out(tmp_path):
    grey = (220 - 160 * page(3)) * light(0.5, 0.5, False)
    before = read_ink(saved(grey, tmp_path), SHAPE, SIZE).ink
    grey[:, :6] = 20  # the desk beside the paper
    grey[180:183, 250:253] = 30
    after = read_ink(saved(grey, tmp_path), SHAPE, SIZE).ink
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.97


@pytest.mark.parametrize("seed", range(5))
def test_paper_without_a_drawing_is_refused_in_a_shadow_too(tmp_path, seed):
    rng = np.random.default_rng(seed)
    blank = saved(220 * light(seed, 0.5, seed % 2), tmp_path, rng)
    with pytest.raises(DataError, match="stands out from its background. Found none"):
        read_ink(blank, SHAPE, SIZE)


@given(number=st.integers(0, 99), slant=st.floats(-0.4, 0.4))
@settings(max_examples=chosen(10, 100), deadline=None)
def test_an_upright_drawing_has_no_slant_whatever_it_had(number, slant):
    ink = np.pad(DIGITS.X[number].reshape(8, 8) / 16, 6).repeat(4, 0).repeat(4, 1)
    matrix = np.array([[1.0, 0.0], [slant, 1.0]])
    sheared = ndimage.affine_transform(ink, matrix, offset=[0, -slant * 40], order=1)
    made = photograph.upright(sheared)
    y, x = np.mgrid[:80, :80]
    x, y = x - (made * x).sum() / made.sum(), y - (made * y).sum() / made.sum()
    assert abs((made * x * y).sum()) < 0.02 * (made * y * y).sum()
    np.testing.assert_allclose(made.sum(), sheared.sum(), rtol=0.02)


def model_with(*rows):
    """A model that gives one of these rows of outputs for each image."""
    return SimpleNamespace(pixels=lambda ink: ink, outputs=lambda images: np.array(rows))


INK = np.zeros((4, 4))


@pytest.mark.parametrize(("rows", "best", "certain", "other"), [
    ([[0.0, 0.9, 0.1]], 1, True, 2),
    ([[0.0, 0.9, 0.6]], 1, False, 2),
    ([[0.1, 0.2, 0.05]], 1, False, 0),  # all of them are small
    ([[0.0, 0.9, 0.1], [0.0, 1.0, 0.1]], 1, True, 2),
    ([[0.0, 1.0, 0.1], [0.7, 0.6, 0.1]], 1, False, 0),  # the slant decides
])
def test_an_answer_is_certain_if_it_leads_and_does_not_depend_on_the_slant(
    rows, best, certain, other
):
    drawing = ReadDrawing(INK, True, INK if len(rows) > 1 else None)
    outputs, sure, following = predict.judged(model_with(*rows), drawing)
    np.testing.assert_allclose(outputs, np.mean(rows, axis=0))
    assert (int(outputs.argmax()), sure, following) == (best, certain, other)


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 40), st.booleans())
def test_a_shown_picture_fits_any_terminal(height, width, columns, blocks):
    ink = np.ones((height, width))
    lines = predict.in_blocks(ink, columns, blocks).splitlines()
    assert all(0 < len(line) <= columns for line in lines)
    assert 1 <= len(lines) <= (max(1, min(height, columns)) + 1) // 2
    if not blocks:
        assert "".join(lines).isascii()


@pytest.fixture
def network_file(tmp_path):
    """Function of an output activation: the file of a network that sees the rows of a picture."""

    def make(activation, scale):
        network = tg.NeuralNetwork([4, 2], plot=False, monitor=False, output_activation=activation)
        network.weights = [np.array([[1.0, 1.0, 0, 0], [0, 0, 1.0, 1.0]]) * scale]
        path = tmp_path / f"{activation}.safetensors"
        tg.save(path, network, metadata={"pixel_range": [0, 1]})
        return path

    return make


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
@pytest.mark.parametrize("scale", [0.1, 50.0])
def test_outputs_are_called_what_they_are_and_uncertain_answers_uncertain(
    network_file, tmp_path, run, activation, scale
):
    Image.fromarray(np.array([[0, 0], [255, 255]], np.uint8)).save(tmp_path / "low.png")
    model = network_file(activation, scale)
    text = run("predict", model, tmp_path / "low.png").out
    assert f"class  {'probability' if activation == 'softmax' else 'output'}\n" in text
    certain = scale > 1
    assert ("This answer is uncertain: it may be 0 as well." in text) != certain
    assert text.rstrip("\n").endswith("It saw:\n▄▄")
    document = json.loads(run("predict", model, tmp_path / "low.png", "--json").out)
    assert document["probabilities"] == (activation == "softmax")
    assert document["certain"] == certain and document["answer"] == 1
