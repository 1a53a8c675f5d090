"""How the command ends while the package is loading, and that nothing else ends so."""

from __future__ import annotations

import signal
import sys

import pytest

from tinygrad_mlp.support.signals import end_quietly_while_loading, interruption, is_interruption

STARTS = [
    (["/usr/bin/tinygrad-mlp", "train"], [], True),
    ([r"tinygrad-mlp.exe"], [], True),
    (["-m", "train"], ["python", "-m", "tinygrad_mlp", "train"], True),
    (["-m"], ["python", "-X", "dev", "-Im", "tinygrad_mlp"], True),
    (["-m"], ["python", "-m", "mine", "tinygrad_mlp"], False),  # which imports it
    (["/usr/bin/pytest"], ["python", "-m", "pytest"], False),
    (["train.py", "tinygrad-mlp"], ["python", "train.py", "tinygrad-mlp"], False),
    ([""], ["python"], False),
    ([], ["python"], False),
]


@pytest.mark.parametrize(("words", "original", "quietly"), STARTS)
def test_only_the_command_ends_without_a_traceback(monkeypatch, ctrl_c, words, original, quietly):
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.setattr(sys, "orig_argv", original)
    end_quietly_while_loading()
    kept = signal.default_int_handler
    assert signal.getsignal(signal.SIGINT) == (signal.SIG_DFL if quietly else kept)


def test_a_signal_that_is_ignored_stays_ignored(monkeypatch, ctrl_c):
    monkeypatch.setattr(sys, "argv", ["tinygrad-mlp"])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_quietly_while_loading()
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN


def test_a_reason_of_a_users_own_is_no_interruption():
    assert is_interruption(f"{interruption()} after iteration 3")
    assert not is_interruption("interrupted by the cat") and not is_interruption(None)
