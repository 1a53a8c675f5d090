"""What a module keeps in containers is found under a name, or refused where it is stored."""

from collections import OrderedDict, UserDict, UserList, defaultdict, deque, namedtuple
from dataclasses import dataclass, field
from types import MappingProxyType, SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_mlp as tg
from tinygrad_mlp import nn
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.nn.containers import held

Pair = namedtuple("Pair", ["left", "right"])


@dataclass
class Block:
    """A plain dataclass, which is no module."""

    first: nn.Module
    second: nn.Module
    size: int = 3


def layer():
    return nn.Linear(2, 2, bias=False, rng=np.random.default_rng(0))


class Net(nn.Module):
    """A module with one attribute, given."""

    def __init__(self, blocks):
        self.blocks = blocks

    def forward(self, x):
        for _, module in self.named_modules():
            x = module(x) if isinstance(module, nn.Linear) else x
        return x


def names(module):
    return [name for name, _ in module.named_parameters()]


W = "weight"
FOUND = {
    "list": (lambda: [layer(), 1, layer()], ["0.weight", "2.weight"]),
    "tuple": (lambda: (layer(), nn.Parameter(1.0)), ["1", "0.weight"]),
    "namedtuple": (lambda: Pair(layer(), layer()), ["0.weight", "1.weight"]),
    "dict": (lambda: {"left": layer(), "right": layer()}, ["left.weight", "right.weight"]),
    "dict of lists": (
        lambda: {"left": [layer()], "right": (layer(), [layer()])},
        ["left.0.weight", "right.0.weight", "right.1.0.weight"]),
    "nested lists": (lambda: [[layer()], [[layer()], "x"]], ["0.0.weight", "1.0.0.weight"]),
    "integers as keys": (lambda: {3: layer(), -1: layer()}, ["3.weight", "-1.weight"]),
    "ordered": (lambda: OrderedDict(b=layer(), a=layer()), ["b.weight", "a.weight"]),
    "default": (lambda: defaultdict(list, a=[layer()]), ["a.0.weight"]),
    "proxy": (lambda: MappingProxyType({"a": layer()}), ["a.weight"]),
    "UserDict": (lambda: UserDict(a=layer()), ["a.weight"]),
    "UserList": (lambda: UserList([layer()]), ["0.weight"]),
    "deque": (lambda: deque([layer(), layer()]), ["0.weight", "1.weight"]),
    "values": (lambda: {"a": layer()}.values(), ["0.weight"]),
    "dataclass": (lambda: Block(layer(), layer()), ["first.weight", "second.weight"]),
    "namespace": (lambda: SimpleNamespace(a=layer(), n=[layer()]), ["a.weight", "n.0.weight"]),
    "parameters": (lambda: {"W": nn.Parameter(1.0), "b": nn.Buffer(2.0)}, ["W"]),
    "odd keys without parts": (lambda: {(1, 2): "x", "a.b": 3, "": 4, "l": layer()}, ["l.weight"]),
    "sets without parts": (lambda: [{1, 2}, frozenset("ab"), layer()], ["2.weight"]),
    "arrays of objects without parts": (
        lambda: [np.array([None, "x"], dtype=object), layer()], ["1.weight"]),
}


@pytest.mark.parametrize("kind", FOUND)
def test_parameters_are_found_under_the_names_of_their_places(kind):
    make, expected = FOUND[kind]
    model = Net(make())
    assert names(model) == [f"blocks.{name}" for name in expected]
    assert len(list(model.parameters())) == len(expected)
    assert set(names(model)) <= set(model.state_dict())


@pytest.mark.parametrize("kind", FOUND)
def test_a_state_is_loaded_into_containers_again(kind):
    make, _ = FOUND[kind]
    one, other = Net(make()), Net(make())
    for parameter in one.parameters():
        parameter.data = parameter.data + 1
    other.load_state_dict(one.state_dict())
    for (name, array), again in zip(
            one.state_dict().items(), other.state_dict().values(), strict=True):
        np.testing.assert_array_equal(array, again, err_msg=name)


def objects(*items):
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


REFUSED = {
    "set": (lambda: {layer()}, "a set"),
    "frozenset": (lambda: frozenset([nn.Parameter(1.0)]), "a set"),
    "array of objects": (lambda: objects(layer(), layer()), "an array of objects"),
    "set in a list": (lambda: [1, {layer()}], "'blocks.1', a set"),
    "list in a set": (lambda: {(1, layer())}, "a set"),
    "tuple as key": (lambda: {(0, 1): layer()}, r"the key \(0, 1\)"),
    "None as key": (lambda: {None: [layer()]}, "the key None"),
    "truth value as key": (lambda: {True: layer()}, "the key True"),
    "key with a dot": (lambda: {"a.b": layer()}, "the key 'a.b'"),
    "empty key": (lambda: {"": layer()}, "the key ''"),
    "keys of one name": (lambda: {"0": layer(), 0: layer()}, "the key 0"),
    "key in a nested dict": (lambda: [{"a": {1.5: layer()}}], "the key 1.5 in 'blocks.0.a'"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_part_that_has_no_name_is_refused(kind):
    make, message = REFUSED[kind]
    with pytest.raises(InvalidArgumentError, match=message):
        names(Net(make()))


@pytest.mark.parametrize("kind", ["set", "frozenset", "array of objects"])
def test_a_container_without_names_is_refused_where_it_is_stored(kind):
    with pytest.raises(InvalidArgumentError, match="Got some in 'blocks'"):
        Net(REFUSED[kind][0]())


def test_what_is_put_into_a_container_later_is_found_or_refused():
    model = Net({"left": []})
    model.blocks["left"].append(layer())
    assert names(model) == ["blocks.left.0.weight"]
    model.blocks["right"] = deque()
    model.blocks["right"].appendleft(layer())
    assert names(model) == ["blocks.left.0.weight", "blocks.right.0.weight"]
    del model.blocks["left"]
    assert names(model) == ["blocks.right.0.weight"]
    model.later = set()
    model.later.add(layer())
    with pytest.raises(InvalidArgumentError, match="Got some in 'later', a set"):
        names(model)


def test_attributes_set_around_the_module_are_found():
    model = Net([])
    model.__dict__["hidden"] = {"a": layer()}
    setattr(model, "by_name", [layer()])  # noqa: B010
    vars(model).update(more=(layer(),))
    assert names(model) == ["hidden.a.weight", "by_name.0.weight", "more.0.weight"]


def test_fields_of_a_module_that_is_a_dataclass_are_found():
    @dataclass(eq=False)
    class Net(nn.Module):
        first: nn.Module
        rest: list = field(default_factory=list)

    model = Net(layer(), [layer()])
    assert names(model) == ["first.weight", "rest.0.weight"]


def test_parts_shared_by_containers_are_found_once_under_their_first_name():
    shared = layer()
    model = Net({"a": [shared], "b": {"c": shared, "d": nn.Sequential(shared, nn.Tanh())}})
    assert names(model) == ["blocks.a.0.weight"]
    assert [path for path, _ in model.named_modules()] == [
        "", "blocks.a.0", "blocks.b.d", "blocks.b.d.1"]
    assert model.n_parameters == 4 == sum(
        int(numbers) for *_, numbers in model.summary())


def test_circles_of_containers_and_of_modules_end():
    blocks = [layer()]
    blocks.append(blocks)
    blocks.append({"again": blocks})
    model = Net(blocks)
    model.blocks[0].parent = model
    model.me = model
    assert names(model) == ["blocks.0.weight"]
    assert len(list(model.named_modules())) == 2
    assert "..." in repr(model) and model.eval() is model and model.summary()


def test_generators_in_containers_are_found():
    model = Net({"noise": [nn.Dropout(0.5, rng=np.random.default_rng(0))],
                 "rng": np.random.default_rng(1)})
    assert [name for name, _ in model.named_generators()] == ["blocks.rng", "blocks.noise.0.rng"]


def test_train_and_eval_reach_layers_in_containers():
    model = Net({"a": [nn.Dropout(0.5)]})
    assert model.eval().blocks["a"][0].training is False
    assert model.train().blocks["a"][0].training is True


# -- what is outside of objects ---------------------------------------------------------------


def test_a_part_in_the_class_is_refused_since_all_objects_would_share_it():
    with pytest.raises(InvalidArgumentError, match=r"Got layers = … in the class"):
        class Shared(nn.Module):
            layers = {"a": [layer()]}
    with pytest.raises(InvalidArgumentError, match=r"write self.w = … in __init__"):
        class Weight(nn.Module):
            w = nn.Parameter(1.0)
    with pytest.raises(InvalidArgumentError, match=r"Got drop = … in the class"):
        class Noise(nn.Module):  # whose mode would not be switched
            drop = nn.Dropout(0.5)


def test_layers_without_numbers_may_be_in_the_class():
    class Net(nn.Module):
        activations = {"tanh": nn.Tanh(), "relu": nn.ReLU()}
        sizes = (1, 2)

    assert names(Net()) == []


def test_slots_are_refused_since_nothing_in_them_would_be_found():
    with pytest.raises(InvalidArgumentError, match="Got __slots__: leave them out"):
        class Slotted(nn.Module):
            __slots__ = ("weight",)


# -- assignments ------------------------------------------------------------------------------

NO_PARAMETERS = {
    "array": np.zeros((2, 2)), "number": 1.0, "list": [[0.0]], "tensor": tg.Tensor(np.ones((2, 2))),
    "tracked tensor": tg.Tensor(np.ones((2, 2)), requires_grad=True),
    "computed tensor": nn.Parameter(np.ones((2, 2))) * 2, "module": nn.Tanh(), "text": "x",
}


@pytest.mark.parametrize("kind", NO_PARAMETERS)
@pytest.mark.parametrize("make", [nn.Parameter, nn.Buffer])
def test_a_parameter_or_buffer_is_not_replaced_by_something_else(kind, make):
    model = Net(None)
    model.w = make(np.ones((2, 2)))
    before = model.w
    with pytest.raises(InvalidArgumentError) as caught:
        model.w = NO_PARAMETERS[kind]
    message = str(caught.value)
    assert f"Net.w is a {make.__name__} and must stay one" in message
    assert ".w.data = …" in message and ".w -= … under no_grad()" in message
    assert model.w is before and np.array_equal(before.data, np.ones((2, 2)))
    assert list(model.state_dict()) == ["w"]


def test_a_parameter_is_replaced_by_another_removed_by_none_and_deleted():
    model = Net(None)
    model.w = nn.Parameter(1.0)
    model.w = nn.Parameter([2.0])
    assert names(model) == ["w"] and model.n_parameters == 1
    model.w = nn.Buffer([2.0])
    assert names(model) == [] and list(model.state_dict()) == ["w"]
    model.w = None
    assert list(model.state_dict()) == []
    model.w = np.zeros(3)  # nothing is kept there any more
    model.w = nn.Parameter(1.0)
    del model.w
    assert names(model) == [] and not hasattr(model, "w")


@pytest.mark.parametrize("make", [nn.Parameter, nn.Buffer])
def test_an_update_of_an_attribute_keeps_it_in_the_module(make):
    model = Net(None)
    model.w = make(np.ones(2))
    before = model.w
    with tg.no_grad():
        model.w -= 0.5
        assert model.w is before and np.array_equal(before.data, [0.5, 0.5])
    with pytest.raises(InvalidArgumentError):
        model.w -= tg.Tensor([1.0, 1.0], requires_grad=True)
    model.w.data -= 0.25
    assert list(model.state_dict()) == ["w"]


# -- what works with names ------------------------------------------------------------------------


class Branches(nn.Module):
    """A network whose layers are in a dict of lists."""

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self.blocks = {
            "left": [nn.Linear(3, 4, rng=rng), nn.Tanh()],
            "right": (nn.Linear(3, 4, rng=rng), nn.BatchNorm1d(4)),
        }
        self.heads = {0: nn.Linear(4, 2, rng=rng)}

    def forward(self, x):
        hidden = 0.0
        for layers in self.blocks.values():
            out = x
            for one in layers:
                out = one(out)
            hidden = hidden + out
        return self.heads[0](hidden)


X = np.random.default_rng(5).normal(size=(12, 3))
Y = np.random.default_rng(6).normal(size=(12, 2))


@pytest.mark.parametrize("compiled", [False, True])
def test_all_of_it_is_trained(compiled):
    model = Branches()
    before = model.state_dict()
    sgd = tg.optim.SGD(model.parameters(), 0.1)
    tg.fit(model, nn.squared_error, sgd, X, Y, epochs=2, batch_size=4, compiled=compiled)
    after = model.state_dict()
    assert all(not np.array_equal(before[name], after[name]) for name in before)


def test_it_is_saved_and_loaded(tmp_path):
    model, other = Branches(0), Branches(1)
    path = tmp_path / "model.safetensors"
    tg.save(path, model)
    tg.load(path, other)
    np.testing.assert_array_equal(model.eval()(X).data, other.eval()(X).data)


def test_it_is_shown_in_summary_html_and_repr():
    model = Branches()
    assert [row[0] for row in model.summary()] == [
        "blocks.left.0", "blocks.left.1", "blocks.right.0", "blocks.right.1", "heads.0"]
    assert "blocks.right.1" in model._repr_html_()
    assert "(blocks.left.0) Linear(3, 4)" in repr(model)


def test_the_summary_of_a_call_has_the_shapes_of_the_outputs():
    model = Branches().train()
    before = model.state_dict()
    rows = model.summary(X)
    outputs = {path: output for path, *_, output in rows}
    assert [row[:-1] for row in rows] == model.summary()
    assert outputs["heads.0"] == str(model.eval()(X).shape)
    assert outputs["blocks.left.0"] == str((len(X), 4))
    model.train()
    model.summary(X)
    assert model.training and all("forward" not in vars(m) for _, m in model.named_modules())
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_a_layer_called_twice_and_one_of_several_outputs_have_several_shapes():
    rng = np.random.default_rng(0)

    class Twice(nn.Module):
        def __init__(self):
            self.tanh, self.cell, self.unused = nn.Tanh(), nn.LSTMCell(3, 2, rng=rng), nn.ReLU()

        def forward(self, x, state):
            self.tanh(x)
            return self.cell(self.tanh(x[:1]), state)

    state = np.zeros((1, 2)), np.zeros((1, 2))
    shapes = {path: output for path, *_, output in Twice().summary(np.ones((4, 3)), state)}
    assert shapes == {"tanh": "(4, 3)\n(1, 3)", "cell": "(1, 2)", "unused": ""}


def test_a_call_that_fails_leaves_the_model_as_it_was():
    model = Branches()
    with pytest.raises(tg.errors.ShapeError):
        model.summary(np.ones((2, 99)))
    assert all("forward" not in vars(m) for _, m in model.named_modules())


def test_onnx_uses_its_names(tmp_path):
    onnx = pytest.importorskip("onnx")
    path = tmp_path / "model.onnx"
    tg.export_onnx(Branches().eval(), path, input_shape=(3,))
    kept = {tensor.name for tensor in onnx.load(path).graph.initializer}
    assert {"blocks.left.0.weight", "blocks.right.1.running_mean", "heads.0.bias"} <= kept


def test_copies_are_independent_and_equal():
    import copy
    import pickle

    model = Branches().eval()
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(model(X).data, other(X).data)
        other.blocks["left"][0].weight.data += 1
        assert not np.array_equal(model(X).data, other(X).data)


NESTINGS = st.recursive(
    st.sampled_from(["layer", "number"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.tuples(inner, inner),
        st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3)),
    max_leaves=8)


@given(shape=NESTINGS)
def test_any_nesting_is_found_in_the_order_of_a_walk(shape):
    expected = []

    def build(tree, path):
        if tree == "layer":
            expected.append(f"{path}.weight")
            return layer()
        if isinstance(tree, dict):
            return {key: build(value, f"{path}.{key}") for key, value in tree.items()}
        if isinstance(tree, (list, tuple)):
            return type(tree)([build(value, f"{path}.{i}") for i, value in enumerate(tree)])
        return 1.0

    assert names(Net(build(shape, "blocks"))) == expected


def test_an_assignment_that_is_refused_tells_no_parameter_its_place():
    module, refused = Net([]), layer()
    for bad in ({"ok": refused, ("a",): layer()}, [refused, Net([]), {"": layer()}]):
        with pytest.raises(InvalidArgumentError):
            module.bad = bad
        assert refused.weight.place == "weight"
    broken = Net([])
    vars(broken)["blocks"] = [refused, {"": layer()}]
    with pytest.raises(InvalidArgumentError):
        module.bad = [refused, broken]
    assert refused.weight.place == "weight" and not hasattr(module, "bad")


@pytest.mark.parametrize("kind", [list, tuple, deque])
def test_numbers_are_no_parts_and_are_not_asked_one_by_one(kind):
    asked = []
    assert list(held("x", kind([0.5] * 1000), asked.append)) == []
    assert len(asked) == 1
    assert names(Net(kind([0.5, None, layer()]))) == ["blocks.2.weight"]


def test_a_state_without_a_place_is_accepted_and_one_without_numbers_is_not():
    made = nn.Parameter.__new__(nn.Parameter)
    state = layer().weight.__getstate__()
    del state["place"]
    made.__setstate__(state)
    assert made.place is None and made.shape == (2, 2)
    with pytest.raises(KeyError, match="data"):
        nn.Parameter.__new__(nn.Parameter).__setstate__({})
