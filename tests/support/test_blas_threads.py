"""The number of BLAS threads: set for a while, and put back."""

import multiprocessing
import threading
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController, threadpool_info, threadpool_limits

import tinygrad_mlp as tg
from tinygrad_mlp import nn, optim
from tinygrad_mlp.autograd import stack_rules
from tinygrad_mlp.support import blas_threads as module
from tinygrad_mlp.support.blas_threads import blas_threads, threads_now, warm_up


def numbers():
    import scipy.linalg.blas  # noqa: F401

    return {i["filepath"]: i["num_threads"] for i in threadpool_info() if i["user_api"] == "blas"}


def let_others_set_numbers():
    """From threadpoolctl 3.8 on, a thread of Python that has set a number keeps others from it."""
    for library in ThreadpoolController().lib_controllers:
        getattr(library, "clear_controlling_thread", lambda: None)()


@pytest.fixture
def two_threads():
    """BLAS on two threads, on a machine with one core, too; set outside of `blas_threads`."""
    numbers()
    with threadpool_limits(2, "blas"):
        let_others_set_numbers()
        yield numbers()


class Worker:
    """A thread of Python that enters and leaves `blas_threads(n)` when it is told to."""

    def __init__(self, n):
        self.n, self.seen = n, []
        self.entered, self.told, self.left = (threading.Event() for _ in range(3))
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        with blas_threads(self.n):
            self.seen.append(set(numbers().values()))
            self.entered.set()
            assert self.told.wait(60)
            self.seen.append(set(numbers().values()))
        self.left.set()
        assert self.told.wait(60)

    def enter(self):
        self.thread.start()
        assert self.entered.wait(60)
        return self

    def leave(self):
        self.told.set()
        assert self.left.wait(60)
        self.thread.join(60)


def test_a_number_holds_for_a_while_and_is_put_back(two_threads):
    with blas_threads(1):
        assert set(numbers().values()) == {1}
    assert numbers() == two_threads
    with blas_threads(None):
        assert numbers() == two_threads


def test_it_is_put_back_after_an_error(two_threads):
    with pytest.raises(ZeroDivisionError), blas_threads(1):
        _ = 1 / 0
    assert numbers() == two_threads


def test_one_thread_of_python_sets_the_number_and_the_others_leave_it(two_threads):
    with blas_threads(1):
        let_others_set_numbers()  # so that nothing but our own lock keeps them from it
        worker = Worker(2).enter()
        assert set(numbers().values()) == {1}
        with blas_threads(2):
            assert numbers() == two_threads
        assert set(numbers().values()) == {1}
        worker.leave()
        assert worker.seen == [{1}, {1}] and set(numbers().values()) == {1}
    assert numbers() == two_threads


def test_the_last_thread_of_python_restores_the_number(two_threads):
    with blas_threads(1):
        worker = Worker(1).enter()
    for n in (1, 2):  # nor does one that comes back, or comes later, change it
        with blas_threads(n):
            assert set(numbers().values()) == {1}
    worker.leave()
    assert worker.seen == [{1}, {1}] and numbers() == two_threads
    with blas_threads(1):
        assert set(numbers().values()) == {1}
    assert numbers() == two_threads


@pytest.mark.parametrize("setting", [blas_threads, lambda n: threadpool_limits(n, "blas")])
def test_other_threads_of_python_may_set_a_number_afterwards(setting, two_threads):
    with blas_threads(1):
        pass
    seen = []

    def run():
        with setting(1):
            seen.append(set(numbers().values()))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(60)
    assert seen == [{1}] and numbers() == two_threads


def test_the_number_is_restored_where_another_thread_of_python_has_taken_control(two_threads):
    set_one, done = threading.Event(), threading.Event()

    def run():
        for library in ThreadpoolController().select(user_api="blas").lib_controllers:
            library.set_num_threads(1)
        set_one.set()
        done.wait(60)

    thread = threading.Thread(target=run, daemon=True)
    with blas_threads(1):
        let_others_set_numbers()  # as `threadpool_limits` does at its end
        thread.start()
        assert set_one.wait(60)
    try:
        assert numbers() == two_threads
    finally:
        done.set()
        thread.join(60)


class Controlled:
    """A library whose number only another thread of Python may set, for now."""

    num_threads, is_free = 3, False

    def set_num_threads(self, n):
        self.num_threads = n if self.is_free else self.num_threads


def test_what_could_not_be_set_is_not_restored(monkeypatch):
    library = Controlled()
    monkeypatch.setattr(module, "_controller", lambda: SimpleNamespace(lib_controllers=[library]))
    with blas_threads(1):
        library.num_threads, library.is_free = 4, True
    assert library.num_threads == 4


class OfEachThread(threading.local):
    """A library with OpenMP: each thread of Python has a number of its own."""

    internal_api, threading_layer, num_threads = "openblas", "openmp", 2

    def set_num_threads(self, n):
        self.num_threads = n


def test_a_number_of_one_thread_of_python_is_restored_by_that_thread(monkeypatch):
    library = OfEachThread()
    monkeypatch.setattr(module, "_controller", lambda: SimpleNamespace(lib_controllers=[library]))
    with blas_threads(1):
        worker = Worker(1).enter()
        assert library.num_threads == 1
    assert library.num_threads == 2
    worker.leave()
    assert library.num_threads == 2


def inside_a_child():
    with blas_threads(1):
        assert threads_now() == 1
    assert threads_now() == 2


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no os.fork")
@pytest.mark.parametrize("where", ["beside a thread that is inside", "inside"])
@pytest.mark.filterwarnings("ignore:.*fork")  # of Python, and of JAX where it is loaded
def test_a_forked_process_may_set_a_number(where, two_threads):
    child = multiprocessing.get_context("fork").Process(target=inside_a_child)
    if where == "inside":
        with blas_threads(1), blas_threads(2):
            child.start()
    else:
        worker = Worker(1).enter()
        child.start()
        worker.leave()
    child.join(60)
    assert child.exitcode == 0 and numbers() == two_threads


def layers(W):
    return lambda x: np.tanh(W @ np.tanh(W @ x))


@pytest.mark.parametrize(("size", "expected"), [(8, 2), (200, 1), (400, 2)])
@pytest.mark.parametrize("transform", ["jacobian", "hessian", "vmap", "vmap of a layer"])
def test_products_of_stacks_have_the_threads_that_their_size_is_worth(
    transform, size, expected, two_threads, monkeypatch
):
    W = np.eye(size) / 2
    f, x = layers(W), np.ones(size)
    layer = nn.Linear(size, size, rng=np.random.default_rng(0))
    seen, products = {}, stack_rules.threads_for

    @contextmanager
    def spy(multiplications):
        with products(multiplications):
            seen.setdefault(multiplications, set()).update(numbers().values())
            yield

    monkeypatch.setattr(stack_rules, "threads_for", spy)
    calls = {
        "jacobian": lambda: tg.jacobian(f)(x),
        "hessian": lambda: tg.hessian(lambda x: np.sum(f(x)))(x),
        "vmap": lambda: tg.vmap(f)(np.ones((size, size))),
        "vmap of a layer": lambda: tg.vmap(layer)(np.ones((size, size)))}
    calls[transform]()
    assert seen[size**3] == {expected}
    assert numbers() == two_threads


@pytest.mark.parametrize(("batch_size", "chosen", "expected"), [
    (2, None, 1), (2, 2, 2), (60, None, 2), (60, 1, 1),
])
def test_training_sets_what_its_products_are_worth(batch_size, chosen, expected, two_threads):
    n_in = 1_000_000 if batch_size == 60 else 6
    rng = np.random.default_rng(0)
    model = nn.Linear(n_in, 1, rng=rng, dtype=np.float32)
    seen = []

    class Watcher(tg.callbacks.Callback):
        def on_step(self, run):
            seen.append(set(numbers().values()))

    tg.fit(
        model, nn.squared_error, optim.SGD(model.parameters(), 1e-9),
        np.ones((batch_size, n_in), np.float32), np.ones((batch_size, 1), np.float32), epochs=1,
        batch_size=batch_size, record_every=0, threads=chosen, callbacks=[Watcher()], shuffle=False,
    )
    assert seen == [{expected}]
    assert numbers() == two_threads


@pytest.mark.parametrize(("width", "chosen", "expected"), [
    (4000, None, {2}), (4000, 1, {1}), (4000, 2, {2}), (5, None, {1}), (5, 2, {2}),
])
def test_large_products_of_a_block_are_shared_and_its_steps_are_not(
    width, chosen, expected, two_threads, monkeypatch
):
    from scipy.linalg import blas

    gemm, tanh = blas.dgemm, np.tanh
    products, steps = [], []

    def spying(seen, function):
        def spy(*args, **kwargs):
            seen.append(set(numbers().values()))
            return function(*args, **kwargs)

        return spy

    monkeypatch.setattr(blas, "dgemm", spying(products, gemm))
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(700, width, rng=rng), nn.Tanh(), nn.Linear(width, 1, rng=rng))
    X, Y = rng.normal(size=(40, 700)), np.ones((40, 1))
    monkeypatch.setattr(np, "tanh", spying(steps, tanh))
    history = tg.fit(
        model, nn.squared_error, optim.SGD(model.parameters(), 1e-5), X, Y, epochs=1, batch_size=1,
        record_every=0, threads=chosen, block=19, compiled=True, shuffle=False,
    )
    assert "in blocks of 19 steps" in history.execution
    assert products and all(seen == expected for seen in products)
    # The first is an evaluation; two steps are recorded.
    assert len(steps) > 30 and all(seen == {chosen or 1} for seen in steps[3:])
    assert steps[1:3] == [{1}, {1}]
    assert numbers() == two_threads


def test_warming_up_changes_no_numbers_and_is_done_once():
    warm_up()
    before = warm_up.cache_info().hits
    warm_up()
    assert warm_up.cache_info().hits == before + 1
    model = nn.Linear(100, 1000, rng=np.random.default_rng(0), dtype=np.float32)
    X = np.random.default_rng(1).normal(size=(1000, 100)).astype(np.float32)
    np.testing.assert_allclose(tg.predict(model, X), model(X).data, rtol=1e-5, atol=1e-5)
