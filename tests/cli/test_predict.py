"""``tinygrad-mlp predict``: on pictures and on data sets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import tinygrad_mlp as tg
from tinygrad_mlp.cli import image, predict


@given(
    st.integers(2, 12).flatmap(
        lambda k: st.lists(st.tuples(*[st.integers(0, k - 1)] * 2), min_size=1).map(
            lambda pairs: (k, pairs)
        )
    )
)
def test_a_confusion_table_counts_every_image_once(case):
    k, pairs = case
    labels, answers = np.array(pairs).T
    table = predict.confusion_table(predict.confusion_counts(labels, answers, k), width=10**6)
    rows = table.splitlines()[2:]
    counts = [[int(cell.replace(".", "0")) for cell in row.split("|")[1].split()] for row in rows]
    expected = [[pairs.count((i, j)) for j in range(k)] for i in range(k)]
    assert counts == expected


@given(
    background=st.integers(0, 60), ink=st.integers(120, 255), invert=st.booleans(),
    scale=st.integers(1, 4), margins=st.tuples(*[st.integers(0, 30)] * 4),
)
def test_a_picture_is_read_alike_whatever_its_size_place_and_brightness(
    tmp_path_factory, background, ink, invert, scale, margins
):
    drawing = np.zeros((8, 6))
    drawing[0], drawing[:, 2] = 1.0, 1.0
    top, bottom, left, right = (margin + 5 for margin in margins)
    padded = np.pad(drawing.repeat(scale, 0).repeat(scale, 1), ((top, bottom), (left, right)))
    grey = background + padded * (ink - background)
    path = tmp_path_factory.getbasetemp() / "drawing.png"
    Image.fromarray((255 - grey if invert else grey).round().astype(np.uint8)).save(path)
    read, dark_on_light, _ = image.read_ink(path, (12, 12), size=8)
    assert dark_on_light == invert
    rows, columns = (np.flatnonzero(read.any(axis=axis)) for axis in (1, 0))
    box = read[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    np.testing.assert_allclose(box, drawing, atol=0.02)


def test_predict_tells_accuracy_and_confusion_on_a_data_set(trained, run):
    result = run("predict", trained.model, trained.data)
    assert result.code == 0
    assert "accuracy 1.0000, 60 of 60 images" in result.out
    assert "Most of these images are those it was trained on." in result.out
    assert "  0 | 20  .  .\n  1 |  . 20  .\n  2 |  .  . 20" in result.out


def test_predict_takes_no_more_images_than_the_limit(trained, run):
    assert "7 of 7 images" in run("predict", trained.model, trained.data, "--limit", "7").out


PICTURES = {
    "light on dark": lambda ink: (Image.fromarray(ink), "light on dark"),
    "dark on light": lambda ink: (Image.fromarray(255 - ink), "dark on light"),
    "larger": lambda ink: (Image.fromarray(ink.repeat(9, 0).repeat(9, 1)), "light on dark"),
    "coloured": lambda ink: (Image.fromarray(np.stack([ink, 0 * ink, ink], -1)), "light on dark"),
    "transparent": lambda ink: (
        Image.fromarray(np.stack([0 * ink, 0 * ink, 0 * ink, ink], -1)), "dark on light"
    ),
    "16 bits": lambda ink: (Image.fromarray(ink.astype(np.uint16) * 257), "light on dark"),
}


@pytest.mark.parametrize("kind", PICTURES)
@pytest.mark.parametrize("k", range(3))
def test_predict_recognises_a_picture_of_any_kind(trained, tmp_path, run, kind, k):
    ink = np.zeros((6, 5), np.uint8)
    ink[2 * k : 2 * k + 2, 1:4] = 255
    picture, polarity = PICTURES[kind](ink)
    path = tmp_path / "picture.png"
    picture.save(path)
    result = run("predict", trained.model, path, "--whole-picture")  # the place of a bar tells all
    lines = result.out.splitlines()
    assert result.code == 0
    assert lines[0] == f"{path}: {k}"
    assert lines[1] == f"(read as {polarity}, brought to 6x5 pixels)"
    shares = [float(line.split()[1]) for line in lines[3 : lines.index("")]]
    assert len(shares) == 3 and np.argmax(shares) == k
    assert "█" in lines[3 + k]


def test_a_network_trained_on_dark_on_light_sees_pictures_that_way(tmp_path, run, make_mat, quick):
    data = make_mat(tmp_path / "paper.mat", levels=(200, 10))
    model = tmp_path / "model.safetensors"
    assert run("train", data, *quick, "--save", model).code == 0
    for levels in ((255, 0), (0, 255)):
        picture = np.full((6, 5), levels[0], np.uint8)
        picture[2:4, 1:4] = levels[1]
        Image.fromarray(picture).save(tmp_path / "one.png")
        assert "one.png: 1\n" in run("predict", model, tmp_path / "one.png").out


def test_a_digit_is_cut_out_of_a_large_picture_unless_told_otherwise(tmp_path, run):
    digits = tg.data.load("digits")
    model = tmp_path / "digits.safetensors"
    assert run("train", "digits", "--epochs", "4", "--save", model).code == 0
    right = {(): 0, ("--whole-picture",): 0}
    for i in range(10):
        small = np.rint(digits.X[i] * (255 / 16)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
        Image.fromarray(255 - np.pad(small, ((100, 36), (20, 116)))).save(tmp_path / "page.png")
        for options in right:
            out = run("predict", model, tmp_path / "page.png", *options).out
            right[options] += f"page.png: {digits.labels[i]}\n" in out
    assert right[()] >= 9 and right[("--whole-picture",)] <= 4


def test_classes_too_many_for_a_table_are_told_by_their_mistakes():
    counts = predict.confusion_counts(np.array([3, 3, 3, 30]), np.array([5, 5, 3, 2]), 40)
    assert predict.confusion_table(counts, width=80).splitlines() == [
        "The most frequent mistakes:", "  3 taken for 5: 2", "  30 taken for 2: 1",
    ]
