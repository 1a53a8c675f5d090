"""`Module`: what it is made of, its state, its modes and how it prints."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_mlp as tg
from tinygrad_mlp import nn
from tinygrad_mlp.errors import DTypeError, InvalidArgumentError, StateDictError
from tinygrad_mlp.nn.module import evaluation


class Block(nn.Module):
    """Of everything a module may be made of, in an order that is not alphabetical."""

    def __init__(self, rng=None):
        rng = rng or np.random.default_rng(0)
        self.scale = nn.Parameter([2.0], name="scale")
        self.inner = nn.Linear(3, 2, rng=rng)
        self.count = nn.Buffer([0.0])
        self.branches = [nn.Linear(2, 2, rng=rng), nn.Parameter([1.0, 1.0])]
        self.pair = (nn.Tanh(), nn.Linear(2, 1, bias=False, rng=rng))
        self.label = "not a part"
        self.array = np.ones(3)

    def forward(self, x):
        hidden = self.branches[0](self.pair[0](self.inner(x))) * self.branches[1]
        return self.pair[1](hidden) * self.scale


NAMES = [
    "scale",
    "inner.weight",
    "inner.bias",
    "branches.0.weight",
    "branches.0.bias",
    "branches.1",
    "pair.1.weight",
]


def names(module):
    # A module's own parameters stand before those of the modules in it.
    return [name for name, _ in module.named_parameters()]


def test_parameters_are_named_by_their_path_own_ones_first_then_in_order_of_assignment():
    assert names(Block()) == [NAMES[0], NAMES[5], *NAMES[1:5], NAMES[6]]


def test_parameters_come_in_the_order_of_their_names():
    block = Block()
    assert [id(p) for p in block.parameters()] == [id(p) for _, p in block.named_parameters()]


def test_a_sequential_numbers_its_layers_from_zero_as_other_frameworks_do():
    rng = np.random.default_rng(0)
    inside = nn.Sequential(nn.Linear(3, 2, rng=rng), nn.Tanh())
    model = nn.Sequential(inside, nn.Linear(2, 1, rng=rng))
    assert names(model) == ["0.0.weight", "0.0.bias", "1.weight", "1.bias"]


def test_a_sequential_trains_what_a_subclass_adds_to_it():
    class Scaled(nn.Sequential):
        def __init__(self):
            super().__init__(nn.Linear(2, 2, rng=np.random.default_rng(0)))
            self.scale = nn.Parameter([2.0])
            self.head = nn.LayerNorm(2)

    model = Scaled()
    assert names(model) == ["scale", "0.weight", "0.bias", "head.weight", "head.bias"]
    assert len(model) == 1


def test_a_sequential_takes_a_list_of_layers_and_gives_them_back():
    layers = [nn.Tanh(), nn.ReLU()]
    model = nn.Sequential(layers)
    assert list(model) == layers and model[1] is layers[1] and len(model) == 2


def test_an_empty_sequential_is_the_identity():
    x = np.ones((2, 3))
    assert nn.Sequential()(x) is x


def test_a_shared_parameter_is_listed_once_under_its_first_name_and_gets_one_gradient():
    rng = np.random.default_rng(0)
    layer = nn.Linear(2, 2, bias=False, rng=rng)
    model = nn.Sequential(layer, nn.Tanh(), layer)
    assert names(model) == ["0.weight"]
    assert model.n_parameters == 4
    x, w = np.array([[0.3, -0.4]]), layer.weight.data
    tg.sum(model(x)).backward()
    hidden = np.tanh(x @ w.T)
    inner = (np.ones((1, 2)) @ w) * (1 - hidden**2)
    np.testing.assert_allclose(layer.weight.grad, np.ones((2, 1)) @ hidden + inner.T @ x)


def test_a_parameter_replaced_by_none_is_no_part_any_more():
    layer = nn.Linear(2, 1, rng=np.random.default_rng(0))
    layer.bias = None
    assert names(layer) == ["weight"]
    assert layer(np.ones((1, 2))).shape == (1, 1)


def test_named_modules_go_from_outer_to_inner():
    block = Block()
    assert [name for name, _ in block.named_modules()] == [
        "", "inner", "branches.0", "pair.0", "pair.1",
    ]


def test_the_number_of_parameters_counts_numbers_and_no_buffers():
    assert Block().n_parameters == 1 + (6 + 2) + (4 + 2) + 2 + 2


# -- state -----------------------------------------------------------------------------------------


def test_the_state_holds_parameters_and_buffers():
    assert sorted(Block().state_dict()) == sorted([*NAMES, "count"])


def test_the_state_is_a_copy_in_both_directions():
    block = Block()
    state = block.state_dict()
    state["scale"][0] = 9.0
    assert block.scale.data[0] == 2.0
    block.load_state_dict(state)
    state["scale"][0] = 7.0
    assert block.scale.data[0] == 9.0


@given(seed=st.integers(0, 2**32 - 1))
def test_loading_a_state_makes_two_modules_the_same_function(seed):
    rng = np.random.default_rng(seed)
    first, second = Block(rng), Block(rng)
    second.load_state_dict(first.state_dict())
    x = rng.normal(size=(4, 3))
    np.testing.assert_array_equal(first(x).data, second(x).data)


def test_loading_keeps_the_dtype_of_the_module_and_the_identity_of_its_parameters():
    layer = nn.Linear(2, 1, dtype=np.float32, rng=np.random.default_rng(0))
    weight = layer.weight
    layer.load_state_dict({"weight": [[0.1, 0.2]], "bias": np.zeros(1)})
    assert layer.weight is weight
    assert weight.dtype == np.float32 and weight.data[0, 0] == np.float32(0.1)


def test_a_state_may_hold_tensors():
    layer = nn.Linear(1, 1, rng=np.random.default_rng(0))
    layer.load_state_dict({"weight": nn.Parameter([[3.0]]), "bias": tg.Tensor([4.0])})
    assert layer.weight.data == 3 and layer.bias.data == 4


def test_every_entry_that_does_not_fit_is_listed_and_nothing_is_changed():
    block = Block()
    before = block.state_dict()
    wrong = {
        **before,
        "scale": np.ones(2),
        "inner.bias": ["a", "b"],
        "count": np.array([1j]),
        "stranger": np.ones((4, 5)),
    }
    del wrong["inner.weight"]
    with pytest.raises(StateDictError) as caught:
        block.load_state_dict(wrong)
    message = str(caught.value)
    for part in (
        "Block",
        "missing: 'inner.weight' (2, 3)",
        "unexpected: 'stranger' (4, 5)",
        "wrong shape: 'scale' is (2,), expected (1,)",
        "no array of numbers: 'inner.bias'",
        "no array of numbers: 'count'",
    ):
        assert part in message
    after = block.state_dict()
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_a_fraction_is_not_rounded_into_a_buffer_of_integers():
    class Counter(nn.Module):
        def __init__(self):
            self.steps = nn.Buffer(np.array([3]))

    counter = Counter()
    with pytest.raises(StateDictError, match="wrong dtype: 'steps' is float64, expected int64"):
        counter.load_state_dict({"steps": np.array([1.5])})
    counter.load_state_dict({"steps": np.array([8], np.int32)})
    assert counter.steps.data == 8 and counter.steps.dtype == np.int64


@pytest.mark.parametrize("state", [None, [1.0], "weights.npz", 3])
def test_something_else_than_a_dictionary_is_refused_as_a_state(state):
    with pytest.raises(StateDictError, match="expects arrays by name"):
        Block().load_state_dict(state)


# -- modes, gradients, user's modules --------------------------------------------------------------


def test_train_and_eval_reach_every_module_and_return_the_outer_one():
    block = Block()
    assert block.training
    assert block.eval() is block
    assert not any(module.training for _, module in block.named_modules())
    assert block.train() is block
    assert all(module.training for _, module in block.named_modules())


def test_the_mode_of_one_module_is_not_that_of_its_class():
    first, second = nn.Dropout(rng=np.random.default_rng(0)), nn.Dropout()
    first.eval()
    assert second.training and nn.Dropout.training


def test_a_subclass_is_told_of_every_switch_of_its_mode():
    class Watching(nn.Linear):
        def __setattr__(self, name, value):
            if name == "training":
                seen.append(value)
            super().__setattr__(name, value)

    seen = []
    layer = Watching(2, 1)
    layer.eval().train()
    with evaluation(layer):
        assert not layer.training
    assert seen == [False, True, False, True]


def test_zero_grad_forgets_all_gradients():
    block = Block()
    tg.sum(block(np.ones((2, 3)))).backward()
    assert all(p.grad is not None for p in block.parameters())
    block.zero_grad()
    assert all(p.grad is None for p in block.parameters())


def test_a_users_module_is_trained_by_its_own_parameters(assert_derivative):
    block, x = Block(), np.random.default_rng(1).normal(size=(4, 3))
    tg.sum(block(x) ** 2).backward()
    for name, parameter in block.named_parameters():
        start = parameter.data

        def loss(values, parameter=parameter, start=start):
            parameter.data = values
            result = np.sum(block(x).data ** 2)
            parameter.data = start
            return result

        assert_derivative(parameter.grad, loss, start, where=name)


def test_a_module_without_forward_says_what_it_needs():
    class Empty(nn.Module):
        pass

    with pytest.raises(NotImplementedError, match=r"Empty must define forward\(self, x\)"):
        Empty()(1.0)


@pytest.mark.parametrize(
    ("layers", "hint"),
    [
        ((nn.Tanh,), r"Argument 0 .* Did you mean Tanh\(\)\?"),
        ((nn.Tanh(), np.tanh), "Argument 1 is <ufunc 'tanh'>"),
        (([nn.Tanh(), None],), "Argument 1 is None"),
    ],
)
def test_a_sequential_refuses_what_is_no_module(layers, hint):
    with pytest.raises(InvalidArgumentError, match=hint):
        nn.Sequential(*layers)


def test_integers_are_refused_as_a_parameter():
    with pytest.raises(DTypeError, match="Write 3.0 for 3"):
        nn.Parameter([1, 2])


# -- printing --------------------------------------------------------------------------------------


def test_the_repr_shows_the_tree_with_the_number_of_parameters_of_each_part():
    assert repr(Block()).splitlines() == [
        "Block(                                    # 19 parameters",
        "  (inner) Linear(3, 2)                      # 8 parameters",
        "  (branches.0) Linear(2, 2)                 # 6 parameters",
        "  (pair.0) Tanh()",
        "  (pair.1) Linear(2, 1, bias=False)         # 2 parameters",
        ")",
    ]


def test_the_repr_of_nested_modules_is_indented():
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Sequential(nn.Linear(1000, 2, rng=rng)), nn.Dropout(0.25))
    assert repr(model).splitlines() == [
        "Sequential(                               # 2,002 parameters",
        "  (0) Sequential(                           # 2,002 parameters",
        "    (0) Linear(1000, 2)                       # 2,002 parameters",
        "  )",
        "  (1) Dropout(0.25)",
        ")",
    ]


@pytest.mark.parametrize(
    ("make", "shown"),
    [
        (lambda: nn.Linear(3, 2), "Linear(3, 2)"),
        (lambda: nn.Linear(3, 2, bias=False), "Linear(3, 2, bias=False)"),
        (lambda: nn.Conv2d(1, 6, 5), "Conv2d(1, 6, (5, 5))"),
        (
            lambda: nn.Conv2d(1, 6, (3, 5), stride=2, padding=(1, 0), bias=False),
            "Conv2d(1, 6, (3, 5), stride=(2, 2), padding=(1, 0), bias=False)",
        ),
        (lambda: nn.MaxPool2d(2), "MaxPool2d((2, 2))"),
        (lambda: nn.AvgPool2d(3, 1), "AvgPool2d((3, 3), stride=(1, 1))"),
        (lambda: nn.LayerNorm(4), "LayerNorm(4)"),
        (lambda: nn.BatchNorm1d(4), "BatchNorm1d(4)"),
        (lambda: nn.Dropout(0.1), "Dropout(0.1)"),
        (lambda: nn.Flatten(), "Flatten()"),
        (lambda: nn.Tanh(), "Tanh()"),
        (lambda: nn.LeakyReLU(0.2), "LeakyReLU(0.2)"),
        (lambda: nn.Softmax(), "Softmax()"),
        (lambda: nn.LogSoftmax(axis=0), "LogSoftmax(axis=0)"),
        (lambda: nn.Sequential(), "Sequential()"),
        (lambda: nn.Parameter([1.0], name="b"), "Parameter([1.], name='b')"),
    ],
)
def test_the_repr_of_a_part_reads_like_the_call_that_made_it(make, shown):
    assert repr(make()) == shown
