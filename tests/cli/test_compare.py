"""``tinygrad-mlp compare``: two losses, one start."""

import numpy as np

from tinygrad_mlp.cli import experiment
from tinygrad_mlp.cli.compare import verdict
from tinygrad_mlp.neural_network import LOSSES
from tinygrad_mlp.training.history import History, Record

PNG = b"\x89PNG\r\n\x1a\n"


def test_compare_trains_both_losses_from_the_same_weights_and_draws_them(mat, tmp_path, run, quick):
    picture = tmp_path / "both.png"
    result = run("compare", mat, *quick, "--plot", picture)
    assert result.code == 0
    table = result.out.split("Validation accuracy at equal iterations")[1]
    assert [line.split()[0] for line in table.splitlines()[2:9]] == [
        "0", "20", "40", "60", "80", "100", "107",
    ]
    assert "Times ahead: " in table
    assert picture.read_bytes().startswith(PNG)


def test_both_losses_of_a_comparison_start_from_the_same_weights(mat):
    chosen = experiment.Settings(mat, hidden=[4], epochs=1)
    prepared = experiment.Experiment(chosen, LOSSES)
    first, second = (prepared.network(loss).weights for loss in LOSSES)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def test_ctrl_c_in_the_second_training_compares_what_there_is(
    mat, tmp_path, run, press_ctrl_c, quick
):
    press_ctrl_c(9)  # the first training makes six lines
    result = run("compare", mat, *quick, "--plot", tmp_path / "both.png")
    assert result.code == 130
    rows = result.out.split("  ahead\n")[1].splitlines()
    assert [row.split()[0] for row in rows[:4]] == ["0", "20", "40", "Times"]
    assert (tmp_path / "both.png").exists()


def test_ctrl_c_in_the_first_training_leaves_out_the_second(
    mat, tmp_path, run, press_ctrl_c, quick
):
    press_ctrl_c(1)
    result = run("compare", mat, *quick, "--plot", tmp_path / "both.png")
    assert result.code == 130
    assert "\ncross_entropy" not in result.out
    assert (tmp_path / "both.png").exists()


def test_evaluations_that_only_one_of_two_trainings_made_are_not_compared():
    histories = {"mean_square": History(), "cross_entropy": History()}
    for history, iterations in zip(histories.values(), ((0, 10, 20), (0, 13)), strict=True):
        for i in iterations:
            history.append(Record(i, 0, 0.1, 1.0, 0.5, 1.0, 0.5))
    assert verdict(histories).endswith("Times ahead: cross_entropy 0, mean_square 0, neither 1.")
