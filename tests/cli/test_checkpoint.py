"""``tinygrad-mlp train --checkpoint``: training that was ended goes on, and says so."""

import pytest


@pytest.fixture
def train(run, mat, quick, tmp_path):
    """``train("--save", ...)`` with a checkpoint; the result of the command."""
    return lambda *options: run("train", mat, *quick, "--checkpoint", tmp_path / "run", *options)


def test_after_ctrl_c_the_same_command_goes_on_to_the_same_model(
    run, mat, quick, train, tmp_path, press_ctrl_c
):
    run("train", mat, *quick, "--save", tmp_path / "whole")
    press_ctrl_c(3)
    assert train().code == 130
    again = train("--save", tmp_path / "resumed")
    assert again.code == 0
    assert f"Resuming after iteration 40, from {tmp_path / 'run'}." in again.out
    assert "108 iterations" in again.out
    assert (tmp_path / "resumed").read_bytes() == (tmp_path / "whole").read_bytes()


def test_a_training_that_is_done_goes_on_for_more_epochs(run, mat, quick, train, tmp_path):
    run("train", mat, *quick, "--epochs", 3, "--save", tmp_path / "whole")
    assert "Resuming" not in train().out
    again = train("--epochs", 3, "--save", tmp_path / "resumed")
    assert "Resuming after iteration 107" in again.out
    assert (tmp_path / "resumed").read_bytes() == (tmp_path / "whole").read_bytes()


def test_other_options_than_those_of_the_checkpoint_are_a_mistake(train):
    train()
    refused = train("--batch-size", 2)
    assert refused.code == 2
    assert "batch_size: 1 in the file, 2 here" in refused.err


def test_a_file_that_is_no_checkpoint_is_a_mistake(train, tmp_path):
    (tmp_path / "run").write_text("something else")
    refused = train()
    assert refused.code == 2
    assert "expected a file in the safetensors format" in refused.err
    assert (tmp_path / "run").read_text() == "something else"


def test_a_checkpoint_cannot_be_the_model_as_well(train, tmp_path):
    refused = train("--save", tmp_path / "run")
    assert refused.code == 2 and "--save and --checkpoint name the same file" in refused.err
