"""`no_grad`: what is not recorded, and for whom."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import numpy as np
import pytest

import tinygrad_mlp as tg
from tests.every_sample import every_sample


@pytest.fixture
def x():
    return tg.Tensor([1.0, 2.0], requires_grad=True)


def records(x):
    return (x * 2).requires_grad


def test_nothing_is_recorded_inside_and_everything_again_outside(x):
    with tg.no_grad():
        assert not records(x)
        assert not tg.sigmoid(x).requires_grad
        assert x.requires_grad
    assert records(x)


def test_it_nests(x):
    with tg.no_grad():
        with tg.no_grad():
            assert not records(x)
        assert not records(x)
    assert records(x)


def test_one_manager_can_be_entered_again_and_again(x):
    quiet = tg.no_grad()
    for _ in range(2):
        with quiet:
            with quiet:
                assert not records(x)
            assert not records(x)
        assert records(x)


def test_an_exception_ends_it(x):
    with pytest.raises(ZeroDivisionError), tg.no_grad():
        raise ZeroDivisionError
    assert records(x)


def test_as_a_decorator_it_holds_for_each_call_and_keeps_the_name(x):
    @tg.no_grad()
    def evaluate(x, depth=0):
        """Evaluate."""
        return [records(x), *(evaluate(x, depth - 1) if depth else [])]

    assert evaluate(x, depth=2) == [False] * 3
    assert records(x)
    assert (evaluate.__name__, evaluate.__doc__) == ("evaluate", "Evaluate.")


def test_a_thread_that_does_not_record_stops_no_other(x):
    meet = threading.Barrier(2, timeout=30)
    seen = {}

    def quiet():
        with tg.no_grad():
            meet.wait()
            seen["quiet"] = records(x)
            meet.wait()

    def recording():
        meet.wait()
        seen["recording"] = records(x)
        meet.wait()

    threads = [threading.Thread(target=f) for f in (quiet, recording)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {"quiet": False, "recording": True}


def test_a_new_thread_records_whatever_the_one_that_started_it_does(x):
    seen = []
    with tg.no_grad():
        thread = threading.Thread(target=lambda: seen.append(records(x)))
        thread.start()
        thread.join()
    assert seen == [True]


def test_a_decorated_function_may_run_in_several_threads_at_once(x):
    meet = threading.Barrier(4, timeout=30)
    seen = []

    @tg.no_grad()
    def evaluate():
        meet.wait()
        seen.append(records(x))
        meet.wait()

    def whole():
        evaluate()
        seen.append(records(x))

    threads = [threading.Thread(target=whole) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == [False] * 4 + [True] * 4


def test_threads_train_independently(rng):
    data = rng.normal(size=(50, 3))
    found = {}

    def work(number):
        w = tg.Tensor(np.full(3, float(number)), requires_grad=True)
        for row in data:
            ((row * w).sum() ** 2).backward()
        found[number] = w.grad

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(4):
        expected = sum(2 * (row @ np.full(3, float(number))) * row for row in data)
        np.testing.assert_allclose(found[number], expected)


def test_a_copied_context_takes_the_mode_along_and_brings_none_back(x):
    with tg.no_grad():
        inside = contextvars.copy_context()
    assert inside.run(records, x) is False
    assert contextvars.copy_context().run(records, x) is True
    assert records(x)


def test_an_asynchronous_task_that_does_not_record_stops_no_other(x):
    seen = []

    async def quiet():
        with tg.no_grad():
            await asyncio.sleep(0)
            seen.append(("quiet", records(x)))

    async def recording():
        seen.append(("recording", records(x)))
        await asyncio.sleep(0)
        seen.append(("recording", records(x)))

    async def both():
        await asyncio.gather(quiet(), recording())

    asyncio.run(both())
    assert sorted(seen) == [("quiet", False), ("recording", True), ("recording", True)]


def test_updating_a_parameter_without_recording_leaves_it_a_leaf(x):
    (x * x).sum().backward()
    with tg.no_grad():
        x.data = (x - 0.1 * x.grad).data
    np.testing.assert_allclose(x.data, [0.8, 1.6])
    x.grad = None
    (x * x).sum().backward()
    np.testing.assert_allclose(x.grad, [1.6, 3.2])


@every_sample
def test_values_are_the_same_with_and_without_recording(smooth):
    args = [tg.Tensor(a, requires_grad=i in smooth.floats) if a is not None else None
            for i, a in enumerate(smooth.args)]
    recorded = smooth.op(*args, **smooth.static)
    with tg.no_grad():
        quiet = smooth.op(*args, **smooth.static)
    np.testing.assert_array_equal(recorded.data, quiet.data)
    assert recorded.requires_grad and not quiet.requires_grad


def test_one_manager_may_be_in_use_in_several_threads_at_once(x):
    quiet = tg.no_grad()
    entered, left = [threading.Event() for _ in range(2)], threading.Event()
    seen = {}

    def first():
        with quiet:
            entered[0].set()
            entered[1].wait(30)
            seen["first, inside"] = records(x)
        seen["first, outside"] = records(x)
        left.set()

    def second():
        entered[0].wait(30)
        with quiet:
            entered[1].set()
            left.wait(30)
            seen["second, inside"] = records(x)
        seen["second, outside"] = records(x)

    threads = [threading.Thread(target=f) for f in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {
        "first, inside": False, "first, outside": True,
        "second, inside": False, "second, outside": True,
    }
