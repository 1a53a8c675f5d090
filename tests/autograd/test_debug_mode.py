"""`debug`: when it is on and for whom; that it changes no numbers and leaves nothing."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import weakref
from contextlib import nullcontext

import numpy as np
import pytest

import tinygrad_mlp as tg
from tests.every_sample import every_sample
from tinygrad_mlp.autograd.gradients import ancestors
from tinygrad_mlp.autograd.mode import MODE, ORDINARY, changed_mode
from tinygrad_mlp.errors import NonFiniteError, ShapeError, TinygradError


def leaf(*numbers, name=None):
    return tg.Tensor(np.array(numbers, float), requires_grad=True, name=name)


def planted(**record):
    return tg.op(register=False, **record)


# -- that it changes nothing else ------------------------------------------------------------------

@every_sample
def test_every_operation_gives_the_same_numbers_under_debug(case):
    plain = case.op(*case.args, **case.static)
    with tg.debug():
        watched = case.op(*case.args, **case.static)
    for a, b in zip(*((v if case.op.outputs > 1 else [v]) for v in (plain, watched)), strict=True):
        np.testing.assert_array_equal(a, b, strict=True)


@every_sample
def test_every_gradient_is_the_same_under_debug(smooth):
    def gradients():
        args = [tg.Tensor(a, requires_grad=i in smooth.floats) if a is not None else None
                for i, a in enumerate(smooth.args)]
        out = smooth.op(*args, **smooth.static)
        for o in out if smooth.op.outputs > 1 else [out]:
            o.backward(np.full(o.shape, 0.5), retain_graph=True)
        return [a.grad for a in args if a is not None]

    plain = gradients()
    with tg.debug():
        watched = gradients()
    for a, b in zip(plain, watched, strict=True):
        np.testing.assert_array_equal(a, b)


def test_higher_derivatives_are_the_same_under_debug():
    def f(x):
        return tg.sum(tg.tanh(x) * tg.exp(-(x**2)))

    x = np.array([0.3, -1.2])
    with tg.debug():
        np.testing.assert_array_equal(tg.hessian(f)(x), tg.debug()(tg.hessian(f))(x))
        watched = tg.hvp(f, x, x)
    np.testing.assert_array_equal(watched, tg.hvp(f, x, x))


def test_other_errors_stay_what_they_are():
    with tg.debug(), pytest.raises(ShapeError, match=r"add\(\) cannot take"):
        leaf(1, 2) + leaf(1, 2, 3)
    with tg.debug(), pytest.raises(TinygradError, match="no gradient rule for its argument 'x'"):
        planted()(lambda x: x + 1)(leaf(1)).backward()


def test_random_draws_are_the_same_under_debug():
    def drawn():
        return tg.nn.Dropout(0.5, rng=np.random.default_rng(0))(np.ones(100))

    plain = drawn()
    with tg.debug():
        np.testing.assert_array_equal(drawn(), plain)


def test_numpy_s_settings_are_obeyed_outside_of_operations():
    with np.errstate(all="raise"), tg.debug():
        with pytest.raises(FloatingPointError):
            np.log(np.zeros(1))
        with pytest.raises(NonFiniteError):
            tg.log(np.zeros(1))
        with pytest.raises(FloatingPointError):
            np.log(np.zeros(1))


# -- on and off ------------------------------------------------------------------------------------

def watches(x=None):
    try:
        tg.log(leaf(-1) if x is None else x)
    except NonFiniteError:
        return True
    return False


@pytest.fixture
def quiet():
    with np.errstate(all="ignore"):
        yield


def test_it_is_off_before_and_after_and_between(quiet):
    assert not watches()
    with tg.debug():
        assert watches()
    assert not watches()
    assert MODE.get() is ORDINARY


def test_it_nests_and_the_inner_one_changes_nothing(quiet):
    with tg.debug():
        outer = MODE.get()
        with tg.debug(), tg.no_grad(), tg.debug():
            assert MODE.get().hook is outer.hook
            assert watches()
        assert watches()
    assert not watches()


def test_one_manager_can_be_entered_again_and_again(quiet):
    manager = tg.debug()
    for _ in range(2):
        with manager, manager:
            assert watches()
        assert not watches()


def test_an_error_ends_it(quiet):
    with pytest.raises(NonFiniteError), tg.debug():
        tg.log(leaf(0))
    assert not watches()


def test_as_a_decorator_it_holds_for_each_call_and_keeps_the_name(quiet):
    @tg.debug()
    def evaluate():
        """Evaluate."""
        return watches()

    assert evaluate() and evaluate() and not watches()
    assert (evaluate.__name__, evaluate.__doc__) == ("evaluate", "Evaluate.")


def test_a_thread_under_debug_watches_no_other(quiet):
    meet = threading.Barrier(2, timeout=30)
    seen = {}

    def work(name, manager):
        with np.errstate(all="ignore"), manager:
            meet.wait()
            seen[name] = [watches() for _ in range(20)]
            meet.wait()

    threads = [
        threading.Thread(target=work, args=args)
        for args in (("on", tg.debug()), ("off", nullcontext()))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {"on": [True] * 20, "off": [False] * 20}


def test_threads_under_debug_share_parameters():
    w = tg.Tensor(np.ones((3, 3)), requires_grad=True)
    found = {}

    def work(number):
        with tg.debug():
            for _ in range(20):
                found[number] = tg.grad(lambda w: tg.tanh(w * number).sum())(w.data)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(4):
        np.testing.assert_allclose(found[number], np.full((3, 3), number / np.cosh(number) ** 2))


def test_an_asynchronous_task_under_debug_watches_no_other(quiet):
    seen = []

    async def work(name, manager):
        with manager:
            await asyncio.sleep(0)
            seen.append((name, watches()))

    async def both():
        await asyncio.gather(work("on", tg.debug()), work("off", nullcontext()))

    asyncio.run(both())
    assert sorted(seen) == [("off", False), ("on", True)]


def test_a_copied_context_takes_it_along_and_brings_none_back(quiet):
    with tg.debug():
        inside = contextvars.copy_context()
    assert inside.run(watches) and not watches()


# -- no cost when off, no state left ---------------------------------------------------------------

def step():
    x = leaf(1, 2)
    loss = tg.tanh(x * x).sum()
    nodes = ancestors([loss.node])
    loss.backward()
    return nodes


def test_when_off_nothing_of_it_is_called_and_nodes_carry_nothing(monkeypatch):
    from tinygrad_mlp.autograd import call_site as callsite
    from tinygrad_mlp.autograd.op import Op

    calls = []
    watch = type(tg.debug().changed(ORDINARY).hook)
    for owner, name in ((watch, "__call__"), (watch, "walk"), (watch, "vjp_of"),
                        (callsite, "user_site"), (Op, "unhooked")):
        original = getattr(owner, name)
        monkeypatch.setattr(
            owner, name, lambda *a, f=original, n=name: calls.append(n) or f(*a)
        )
    with tg.debug():
        step()
    assert {"__call__", "walk", "vjp_of", "unhooked"} <= set(calls)
    calls.clear()
    assert not any(hasattr(node, "note") for node in step())
    assert calls == []


def test_the_watch_is_gone_with_its_last_graph():
    gc.collect()
    with tg.debug():
        nodes = step()
        watch = type(MODE.get().hook)
    assert all(hasattr(node, "note") for node in nodes)
    del nodes
    assert not [o for o in gc.get_objects() if type(o) is watch]


def test_a_recorded_line_keeps_no_variables_alive():
    class Large:
        pass

    def compute():
        large = Large()
        alive.append(weakref.ref(large))
        return leaf(1) * 2

    alive = []
    with tg.debug():
        y = compute()
        assert alive[0]() is None
    assert y.node.note.site.code is compute.__code__


def test_it_makes_no_reference_cycles():
    gc.collect()
    gc.disable()
    try:
        with tg.debug():
            step()
            references = [weakref.ref(leaf(1) * 2) for _ in range(3)]
        assert [r() for r in references] == [None] * 3
        assert gc.collect() == 0
    finally:
        gc.enable()


# -- other hooks -----------------------------------------------------------------------------------

def noted(log, outer=None):
    """A hook that writes down what passes it."""

    def hook(op, args, static):
        log.append(op.name)
        return op.unhooked(args, static) if outer is None else outer(op, args, static)

    return hook


def test_a_hook_outside_of_debug_sees_every_operation_those_in_rules_too(quiet):
    log = []
    with changed_mode(hook=noted(log)), tg.debug():
        x = leaf(2, 3)
        y = tg.relu(x).sum()
        assert log == ["relu", "sum"]
        y.backward()
        assert log[2:] == ["broadcast_to", "less_equal", "where"]
        assert watches()


def test_a_hook_inside_of_debug_sees_the_operations_in_rules_too():
    log = []
    with tg.debug():
        y = tg.relu(leaf(2, 3)).sum()
        with changed_mode(hook=noted(log)):
            y.backward()
    assert log == ["broadcast_to", "less_equal", "where"]


def test_a_hook_inside_of_debug_may_pass_operations_on_to_it(quiet):
    log = []
    with tg.debug(), changed_mode(hook=noted(log, MODE.get().hook)):
        assert watches()
    assert log == ["log"]


def test_a_hook_that_puts_another_operation_in_its_place_is_let_be():
    def rewritten(op, args, static):
        return tg.OPS["square"].unhooked(args[1:], {})

    x = leaf(2, 3)
    with changed_mode(hook=rewritten), tg.debug():
        y = tg.multiply(np.ones(2), x)
    y.backward(np.ones(2))
    np.testing.assert_array_equal(x.grad, [4, 6])


def test_what_a_forward_function_consists_of_is_not_watched():
    @planted()
    def careful(x):
        return np.where(x > 0, tg.log(x), 0)

    with tg.debug():
        np.testing.assert_array_equal(careful(np.array([1.0, 0.0])), [0, 0])
