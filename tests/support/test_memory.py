"""What would not fit into the memory is refused before it is made, with both sizes."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_mlp as tg
from tinygrad_mlp import nn
from tinygrad_mlp.errors import TooLargeError
from tinygrad_mlp.support import memory
from tinygrad_mlp.support.memory import SMALL, UNITS, available_memory, check_memory, in_units

BILLION = 10**9
FAR_APART = np.arange(50) * 400_000  # class numbers up to 2e7


def preprocessed():
    generator = np.random.default_rng(0)
    return tg.data.preprocess(np.zeros((50, 2)), FAR_APART, rng=generator)


TOO_LARGE = {
    "Linear": (lambda: nn.Linear(BILLION, BILLION), "6.94 EiB"),
    "Conv2d": (lambda: nn.Conv2d(BILLION, 3, 5), "559 GiB"),
    "LayerNorm": (lambda: nn.LayerNorm(10**12), "7.28 TiB"),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(10**12), "7.28 TiB"),
    "NeuralNetwork": (lambda: tg.NeuralNetwork([BILLION, 40, 2]), "596 GiB"),
    "one_hot": (lambda: tg.data.one_hot(FAR_APART), "7.3 GiB"),
    "one_hot with n_classes": (lambda: tg.data.one_hot([0, 1], BILLION), "14.9 GiB"),
    "one_hot in float32": (lambda: tg.data.one_hot([0], BILLION, np.float32), "3.73 GiB"),
    "preprocess": (preprocessed, "7.3 GiB"),
    "batches": (lambda: tg.data.batches(10**12, 1, np.random.default_rng(0)), "7.28 TiB"),
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_sizes_that_cannot_be_had_are_refused_before_anything_is_made(name, monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 2 << 30)
    make, size = TOO_LARGE[name]
    tracemalloc.start()
    try:
        with pytest.raises(TooLargeError) as caught:
            make()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert str(caught.value).startswith(name.split(" ")[0] + ": ")
    assert f"of which 2 GiB are available. Got {size}. " in str(caught.value)
    assert isinstance(caught.value, MemoryError) and isinstance(caught.value, ValueError)
    assert peak < 1 << 25  # modules that are loaded when first used


def test_standardising_more_than_fits_is_refused(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: SMALL)
    pixels = np.broadcast_to(np.uint8(1), (6000, 100, 100))
    with pytest.raises(TooLargeError, match=r"standardise: .* Got 458 MiB"):
        tg.data.standardise(pixels, np.zeros(10_000), np.ones(10_000))


def test_a_refused_draw_leaves_the_generator_as_it_was(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 2 << 30)
    generator = np.random.default_rng(0)
    before = generator.bit_generator.state
    for make in (
        lambda: nn.Linear(BILLION, BILLION, rng=generator),
        lambda: tg.data.batches(10**12, 1, generator),
        lambda: tg.data.preprocess(np.zeros((50, 2)), FAR_APART, rng=generator),
    ):
        with pytest.raises(TooLargeError):
            make()
    assert generator.bit_generator.state == before


@given(n_bytes=st.integers(0, 1 << 40), available=st.integers(0, 1 << 40))
def test_exactly_what_is_larger_than_the_memory_is_refused_from_a_size_on(n_bytes, available):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "available_memory", lambda: available)
        if SMALL < n_bytes > available:
            with pytest.raises(TooLargeError, match="Do it."):
                check_memory(n_bytes, "it", "Do it.")
        else:
            check_memory(n_bytes, "it", "Do it.")


def test_small_sizes_cost_no_look_at_the_memory_and_unknown_memory_refuses_nothing(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 1 / 0)
    check_memory(SMALL, "it", "")
    monkeypatch.setattr(memory, "available_memory", lambda: None)
    check_memory(10**30, "it", "")


@given(st.integers(1, (1 << 90) - 1))
def test_units_are_those_that_leave_the_number_below_1024(n_bytes):
    number, unit = in_units(n_bytes).split(" ")[-2:]
    if not in_units(n_bytes).startswith("more"):
        assert 1 <= float(number) <= 1024
        assert float(number) * 1024 ** UNITS.index(unit) == pytest.approx(n_bytes, rel=0.005)


MEMINFO = "MemTotal:       200 kB\nMemFree:        10 kB\nMemAvailable:   100 kB\n"


@pytest.mark.parametrize(("account", "limits", "expected"), [
    (MEMINFO, ["max"], 102400),
    (MEMINFO, ["2048"], 2048),
    (MEMINFO, ["max", "4096"], 4096),
    (MEMINFO, ["204800"], 102400),
    (MEMINFO, [], 102400),
    ("MemTotal: 5 kB\n", ["2048"], 2048),
    ("MemAvailable:\n", ["2048"], 2048),
])
def test_the_memory_is_what_linux_and_a_container_leave(
    tmp_path, monkeypatch, account, limits, expected
):
    paths = [tmp_path / str(i) for i in range(2)]
    for path, text in zip(paths, limits, strict=False):
        path.write_text(text)
    (tmp_path / "account").write_text(account)
    monkeypatch.setattr(memory, "ACCOUNT", tmp_path / "account")
    monkeypatch.setattr(memory, "LIMITS", paths)
    assert available_memory() == expected


def test_elsewhere_it_is_the_whole_memory_or_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "ACCOUNT", tmp_path / "none")
    monkeypatch.setattr(memory, "LIMITS", ())
    pages = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 1000}
    monkeypatch.setattr(memory.os, "sysconf", pages.__getitem__, raising=False)
    assert available_memory() == 4_096_000
    monkeypatch.delattr(memory.os, "sysconf")
    assert available_memory() is None
