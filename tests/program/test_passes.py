"""The passes, one by one: what they leave out, and that the numbers stay as they are."""

from dataclasses import replace

import numpy as np
import pytest

import tinygrad_mlp as tg
from tinygrad_mlp import nn, optim
from tinygrad_mlp.program.codegen.source import NumPySource, numpy_source
from tinygrad_mlp.program.instructions import Variable
from tinygrad_mlp.program.passes import simplify as passes
from tinygrad_mlp.program.passes.fuse_updates import accumulate_products, use_one_blas
from tinygrad_mlp.program.passes.memory import reuse_buffers, update_in_place
from tinygrad_mlp.program.passes.pipeline import OPTIMIZING, SIMPLIFYING, optimize, simplify
from tinygrad_mlp.program.passes.simplify import decompose
from tinygrad_mlp.program.passes.small_arrays import fill_numbers, scale_once, sum_by_products

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 5))


def recorded(function, *arguments):
    """The program of a function as it is written down, composed operations written out."""
    compiled = tg.compile(function)
    compiled(*arguments)
    return decompose(compiled.executable.recorded)


def training(batch=4, make=lambda p: optim.SGD(p, 0.1), hidden=6):
    """A whole training step as it is written down."""
    rng = np.random.default_rng(1)
    model = nn.Sequential(nn.Linear(5, hidden, rng=rng), nn.Tanh(), nn.Linear(hidden, 3, rng=rng))
    optimizer = make(model.parameters())

    def step(x, y):
        loss = nn.squared_error(model(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    return recorded(step, rng.normal(size=(batch, 5)), rng.normal(size=(batch, 3)))


def values_for(program):
    """Made-up values of the inputs; positive, since some are squares of gradients."""
    rng = np.random.default_rng(3)
    return {
        v: 2 if v.dtype is None else rng.uniform(0.1, 1, v.shape).astype(v.dtype)
        for v in program.inputs
    }


def numbers(program, values):
    """What a program gives: run line by line, and as source code."""
    results, updates = program.run([values[v] for v in program.inputs])
    everything = zip(
        [*results, *updates], [*program.results, *(u.value for u in program.updates)], strict=True
    )
    by_line = [value for value, what in everything if isinstance(what, Variable)]
    by_source = NumPySource(program).compiled()(*(np.copy(values[v])[()] for v in program.inputs))
    return by_line, list(by_source)


def assert_same(program, other):
    values = values_for(program)
    (expected, from_source), others = numbers(program, values), numbers(other, values)
    for found in (from_source, *others):
        for a, b in zip(expected, found, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)
    other.check()


def count(program, name):
    return sum(line.op.name == name for line in program.instructions)


EVERY = {function.__name__: function for _, function in (*SIMPLIFYING, *OPTIMIZING)}


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize("name", EVERY)
def test_every_pass_by_itself_leaves_the_numbers_of_a_training_step_alone(name, optimizer, batch):
    program = training(batch, lambda p: getattr(optim, optimizer)(p, 0.1))
    changed, saved = EVERY[name](program)
    assert saved >= 0
    assert_same(program, changed)


def test_all_passes_are_explained_with_what_they_saved():
    program = optimize(simplify(training(hidden=200)))
    lines = program.explain_passes().splitlines()
    for text in ("shared common sub-expressions", "in place: 4",
                 "by BLAS where they belong: 2", "memory that was there", "as views"):
        assert any(text in line for line in lines), text
    assert all(int(line.rpartition(": ")[2]) > 0 for line in lines)


def test_dead_code_is_left_out():
    program = recorded(lambda x: (tg.sin(x), tg.cos(x))[0], X)
    changed, saved = passes.remove_dead_code(program)
    assert (saved, count(changed, "cos"), count(changed, "sin")) == (1, 0, 1)
    assert_same(program, changed)


def test_what_is_computed_twice_is_computed_once():
    program = recorded(lambda x: tg.sin(x) * 2.0 + tg.exp(tg.sin(x) * 2.0) + tg.sin(x), X)
    changed, saved = passes.share_subexpressions(program)
    assert (saved, count(changed, "sin"), count(changed, "multiply")) == (3, 1, 1)
    assert_same(program, changed)


@pytest.mark.parametrize("layer", [nn.Conv2d(2, 3, 2), nn.MaxPool2d(2)], ids=repr)
def test_a_convolution_and_its_gradient_share_the_windows(layer):
    scale = tg.Tensor(1.5, requires_grad=True)

    def step(x):
        loss = tg.sum(tg.tanh(layer(x * scale)))
        loss.backward()
        gradient, scale.grad = scale.grad, None
        return loss, gradient

    program = simplify(recorded(step, RNG.normal(size=(2, 2, 4, 4))))
    assert [line.op.name for line in program.instructions].count("windows") == 1


def test_random_masks_are_never_shared():
    rng = np.random.default_rng(0)
    dropout = nn.Dropout(0.5, rng=rng)
    program = recorded(lambda x: dropout(x) + dropout(x), X)
    assert passes.share_subexpressions(program)[1] == 0
    assert passes.fold_constants(program)[1] == 0


def test_what_depends_on_constants_only_is_computed_once_and_for_all():
    weights = tg.Tensor(np.ones(5))
    program = recorded(lambda x: x * tg.exp(tg.Tensor(np.full(5, 2.0))), X)
    # Tensors are read anew at every run; arrays are constants.
    assert passes.fold_constants(program)[1] == 0
    line = next(line for line in program.instructions if line.op.name == "exp")
    constant = replace(
        program,
        instructions=tuple(
            made.changed(operands=(weights.data,)) if made is line else made
            for made in program.instructions
        ),
    )
    changed, saved = passes.fold_constants(constant)
    assert (saved, count(changed, "exp")) == (1, 0)
    assert_same(constant, changed)


def test_what_changes_nothing_is_left_out():
    program = recorded(lambda x: tg.negative(tg.negative(1.0 * x)) / 1.0 + tg.reshape(x, (4, 5)), X)
    changed, saved = passes.remove_identities(program)
    assert [line.op.name for line in changed.instructions][-1] == "add"
    assert (saved, count(changed, "reshape"), count(changed, "divide")) == (4, 0, 0)
    assert_same(program, passes.remove_dead_code(changed)[0])


def test_products_are_added_by_blas_where_they_belong():
    program = simplify(training())
    changed, saved = accumulate_products(program)
    assert saved == 2 and count(changed, "accumulate") == 2
    assert_same(program, changed)
    source = numpy_source(update_in_place(changed)[0])
    assert source.count("blas.dgemm(") == 2
    single = update_in_place(accumulate_products(simplify(training(1)))[0])[0]
    assert numpy_source(single).count("blas.dger(") == 2


def test_large_products_are_left_to_the_blas_that_adds_products():
    program = simplify(training(batch=40, hidden=200))
    changed, saved = use_one_blas(accumulate_products(program)[0])
    assert saved == count(changed, "product") == 3
    assert count(changed, "matmul") == 1  # the square of the errors, a vector
    assert_same(program, changed)
    into_memory = optimize(program)
    assert_same(program, into_memory)
    text = numpy_source(into_memory)
    assert text.count("blas.dgemm(") == 5
    # Where nothing is added by BLAS, where products are small, and of vectors, NumPy forms them.
    of_one = accumulate_products(training(batch=1, hidden=2000))[0]
    assert use_one_blas(of_one)[1] == 0 and count(of_one, "accumulate") > 0
    assert use_one_blas(program)[1] == 0
    assert use_one_blas(accumulate_products(training())[0])[1] == 0


def test_small_parameters_share_one_multiplication_by_the_learning_rate():
    program = simplify(training())
    changed, saved = scale_once(program)
    assert saved == 3
    rate = next(v for v in changed.inputs if v.dtype is None)
    by_number = [
        line for line in changed.instructions if line.op.name == "multiply"
        and any(isinstance(o, Variable) and o.dtype is None for o in line.operands)
    ]
    assert [line.results[0].dtype for line in by_number] == [None, np.dtype(float)]
    assert rate in changed.instructions[0].operands
    assert_same(program, changed)
    # Nothing is left for BLAS to multiply by, and the call of it would take longer than the rest.
    assert accumulate_products(changed)[1] == 0
    # Named for what they are, in this program only.
    assert "scaled_delta3 = " in numpy_source(changed) and "scaled" not in numpy_source(program)


def test_what_is_not_linear_in_one_derivative_keeps_its_multiplications():
    v, w = (nn.Parameter(np.ones(5), name=name) for name in "vw")

    def step(x, exposed):
        loss = tg.sum((tg.sin(v * x) * w) ** 2)
        loss.backward()
        grad = w.grad
        for p in (v, w):
            p.data, p.grad = p.data + -x * p.grad, None
        return grad if exposed else loss

    for exposed in (True, False):
        program = simplify(recorded(lambda x, e=exposed: step(x, e), 0.5))
        changed, saved = scale_once(program)
        assert saved == (0 if exposed else 1)
        assert_same(program, changed)
    assert scale_once(simplify(training(make=lambda p: optim.Adam(p, 0.1))))[1] == 0
    assert scale_once(simplify(training(hidden=200)))[1] == 0


def test_rows_of_small_matrices_are_added_up_by_a_product():
    program = recorded(lambda x: tg.sum(x, axis=0) * tg.sum(x + x, axis=0), X)
    changed, saved = sum_by_products(program)
    assert (saved, count(changed, "sum"), count(changed, "matmul")) == (2, 0, 2)
    assert_same(program, changed)
    text = numpy_source(update_in_place(changed)[0])
    assert text.count("np.full((4,), 1.0") == 1  # the same ones for both


@pytest.mark.parametrize(
    "sum_of",
    [lambda x: tg.sum(x, axis=1), lambda x: tg.sum(x), lambda x: tg.sum(x, axis=0, keepdims=True),
     lambda x: tg.sum(tg.concatenate([x] * 40), axis=0), lambda x: tg.sum(x[0], axis=0)],
    ids=["columns", "all", "keepdims", "large", "vector"],
)
def test_other_sums_stay_sums(sum_of):
    assert sum_by_products(recorded(sum_of, X))[1] == 0


def test_numbers_beside_small_arrays_become_arrays():
    program = recorded(lambda x: 1.0 - x * x, X)
    changed, saved = fill_numbers(program)
    assert saved == 1 and "np.full((4, 5), 1.0" in numpy_source(changed)
    assert_same(program, changed)
    large = recorded(lambda x: 1.0 - x * x, np.ones((64, 64)))
    assert fill_numbers(large)[1] == 0


def test_parameters_are_written_where_they_are():
    program = simplify(training())
    changed, saved = update_in_place(program)
    assert saved == 4
    targets = {update.target for update in program.updates if update.target is not None}
    assert {line.into for line in changed.instructions} - {None} == targets
    assert_same(program, changed)


def test_a_value_that_is_used_later_is_not_overwritten():
    w = nn.Parameter(np.ones(5), name="w")

    def step(x):
        loss = tg.sum(w * x)
        loss.backward()
        w.data, w.grad = w.data - w.grad, None
        return loss + tg.sum(tg.Tensor(np.ones(5)) * x)

    program = simplify(recorded(step, X))
    before = w.data.copy()
    changed, saved = update_in_place(program)
    assert saved == 1
    # Read after the update, it could not be.
    late = replace(changed, results=(*program.results, changed.updates[0].target))
    assert update_in_place(replace(late, instructions=program.instructions))[1] == 0
    np.testing.assert_array_equal(w.data, before)


def test_results_share_memory_that_is_free():
    program = recorded(lambda x: tg.sum(tg.exp(tg.sin(tg.cos(tg.tanh(x))))), X)
    changed, saved = reuse_buffers(program)
    assert len(changed.buffers) == 1 and saved == 3
    assert_same(program, changed)


def test_memory_is_not_shared_while_it_is_needed():
    program = recorded(lambda x: tg.sum(tg.sin(x) * tg.cos(x) + tg.tanh(x).T.T), X)
    changed, _ = reuse_buffers(program)
    assert_same(program, changed)


def test_results_never_lie_in_memory_of_the_program():
    program = optimize(simplify(recorded(lambda x: [tg.exp(x), tg.exp(x).T], X)))
    returned = {id(v) for v in program.results}
    assert not any(line.into for line in program.instructions
                   if returned.intersection(map(id, line.results)))
