"""What may change while a training runs, and how a training is told to change it.

Each `Change` makes a loss, puts a layer of its own into the network where it needs one, and changes
something that the loss, the network or the optimizer reads. It is applied several times in one
training, to other values each time.
"""

import functools
import types

import numpy as np

import tinygrad_mlp as tg
from tinygrad_mlp import nn

FACTOR = 1.0
HELPERS = types.ModuleType("helpers")
HELPERS.FACTOR = 1.0


def values(k):
    """The number that the k-th change sets: others in turn, and then the first one again."""
    return (1.0, 0.5, 2.0, 0.5)[k % 4]


class Change:
    """A change that leaves everything as it is, and squared errors as the loss."""

    def extra(self):
        """The layer that this needs in the network."""
        return nn.Identity()

    def loss(self):
        return nn.squared_error

    def apply(self, k, model, optimizer):
        pass


class Scaled(nn.Module):
    """A layer that reads whatever `factor` returns."""

    def __init__(self, factor):
        self.factor = factor

    def forward(self, x):
        return x * self.factor()


def scaled(factor):
    """The squared error times whatever `factor()` returns at the time."""
    return lambda prediction, target: nn.squared_error(prediction, target) * factor()


class Number(Change):
    def loss(self):
        factor = 1.0

        def put(value):
            nonlocal factor
            factor = value

        self.put = put
        return lambda prediction, target: nn.squared_error(prediction, target) * factor

    def apply(self, k, model, optimizer):
        self.put(values(k))


class Held(Change):
    """A number in something that the loss captures."""

    def __init__(self):
        self.held = self.make()

    def loss(self):
        held, get = self.held, self.get
        return lambda prediction, target: tg.sum(
            nn.squared_error(prediction, target) * get(held))

    def apply(self, k, model, optimizer):
        self.set(self.held, values(k))

    make = staticmethod(lambda: [1.0])
    get = staticmethod(lambda held: held[0])

    def set(self, held, value):
        held[0] = value


class LongList(Held):
    make = staticmethod(lambda: [1.0])
    get = staticmethod(lambda held: float(len(held)))

    def set(self, held, value):
        held[:] = [1.0] * int(2 * value)


class ListOfLists(Held):
    make = staticmethod(lambda: [[1.0], "and", nn.Tanh()])
    get = staticmethod(lambda held: held[0][0])

    def set(self, held, value):
        held[0][0] = value


class Dict(Held):
    make = staticmethod(lambda: {"factor": 1.0})
    get = staticmethod(lambda held: held["factor"])

    def set(self, held, value):
        held["factor"] = value


class DictOfLists(Dict):
    make = staticmethod(lambda: {"factor": [1.0], "other": None})
    get = staticmethod(lambda held: held["factor"][0])

    def set(self, held, value):
        held["factor"] = [value]


class Set(Held):
    make = staticmethod(lambda: {1.0})
    get = staticmethod(sum)

    def set(self, held, value):
        held.clear()
        held.add(value)


class Array(Held):
    make = staticmethod(lambda: np.ones(3))
    get = staticmethod(lambda held: held)

    def set(self, held, value):
        held[1:] = value


class LargeArray(Array):
    make = staticmethod(lambda: np.ones((4_000, 3)))
    get = staticmethod(lambda held: held[1_000])

    def set(self, held, value):
        held[:] = value


class ArrayInReverse(Array):
    make = staticmethod(lambda: np.ones(6)[::-2])


class Untracked(Held):
    make = staticmethod(lambda: tg.Tensor(np.ones(3)))
    get = staticmethod(lambda held: held)

    def set(self, held, value):
        held.data[...] = value


class UntrackedReplaced(Held):
    make = staticmethod(lambda: [tg.Tensor(np.ones(3))])

    def set(self, held, value):
        held[0] = tg.Tensor(np.full(3, value))


class RawTensor(Untracked):
    get = staticmethod(lambda held: float(held.data[0]))


class Single(Held):
    make = staticmethod(lambda: [np.float32(1)])

    def set(self, held, value):
        held[0] = np.float32(value)


class Namespace(Held):
    make = staticmethod(lambda: types.SimpleNamespace(factor=1.0))
    get = staticmethod(lambda held: held.factor)

    def set(self, held, value):
        held.factor = value


class Slotted:
    __slots__ = ("factor",)


class Slots(Namespace):
    @staticmethod
    def make():
        made = Slotted()
        made.factor = 1.0
        return made


class Property(Namespace):
    class Owner:
        def __init__(self):
            self._factor = 1.0

        @property
        def factor(self):
            return self._factor

        @factor.setter
        def factor(self, value):
            self._factor = value

    make = Owner


class OfClass(Namespace):
    @staticmethod
    def make():
        return type("Owner", (), {"factor": 1.0, "__module__": __name__})()

    def set(self, held, value):
        type(held).factor = value


class ClassDefault(Namespace):
    """An attribute of the object takes the place of that of its class."""

    make = staticmethod(lambda: type("Owner", (), {"factor": 1.0, "__module__": __name__})())


class Method(Namespace):
    """The loss is a method of an object that holds the number."""

    class Loss:
        def __init__(self):
            self.factor = 1.0

        def of(self, prediction, target):
            return nn.squared_error(prediction, target) * self.factor

    make = Loss

    def loss(self):
        return self.held.of


class Callable(Namespace):
    class Loss:
        def __init__(self):
            self.factor = 1.0

        def __call__(self, prediction, target):
            return nn.squared_error(prediction, target) * self.factor

    make = Loss

    def loss(self):
        return self.held


class FunctionAttribute(Change):
    def loss(self):
        def loss(prediction, target):
            return nn.squared_error(prediction, target) * loss.factor

        loss.factor = 1.0
        self.function = loss
        return loss

    def apply(self, k, model, optimizer):
        self.function.factor = values(k)


class Global(Change):
    def __init__(self):
        self.put(1.0)

    def loss(self):
        return lambda prediction, target: nn.squared_error(prediction, target) * FACTOR

    def put(self, value):
        globals()["FACTOR"] = value

    def apply(self, k, model, optimizer):
        self.put(values(k))


class GlobalOfModule(Global):
    def loss(self):
        return lambda prediction, target: nn.squared_error(prediction, target) * HELPERS.FACTOR

    def put(self, value):
        HELPERS.FACTOR = value


class GlobalInHelper(Global):
    """The loss calls a function that reads the global."""

    def loss(self):
        return scaled(read_factor)


def read_factor():
    return (lambda: FACTOR)()


class Default(Change):
    def loss(self):
        def loss(prediction, target, factor=1.0):
            return nn.squared_error(prediction, target) * factor

        self.function = loss
        return loss

    def apply(self, k, model, optimizer):
        self.function.__defaults__ = (values(k),)


class KeywordDefault(Default):
    def loss(self):
        def loss(prediction, target, *, factors=(1.0,)):
            return nn.squared_error(prediction, target) * factors[0]

        self.function = loss
        return loss

    def apply(self, k, model, optimizer):
        self.function.__kwdefaults__["factors"] = (values(k),)


class Partial(Change):
    def loss(self):
        def loss(prediction, target, factor):
            return nn.squared_error(prediction, target) * factor

        self.function = functools.partial(loss, factor=1.0)
        return self.function

    def apply(self, k, model, optimizer):
        self.function.keywords["factor"] = values(k)


class OtherFunction(Change):
    """The loss calls a function that is replaced."""

    def loss(self):
        called = [nn.squared_error]
        self.called = called
        return lambda prediction, target: called[0](prediction, target)

    def apply(self, k, model, optimizer):
        factor = values(k)
        self.called[0] = scaled(lambda: factor)


class OwnOperation(Change):
    """The loss calls an operation of the user's whose rule reads a number."""

    def loss(self):
        factor = [1.0]
        self.factor = factor

        def forward(x):
            return x * factor[0]

        times = tg.op(rules={"x": lambda g, y, x: g * factor[0]}, register=False)(forward)
        return lambda prediction, target: times(nn.squared_error(prediction, target))

    def apply(self, k, model, optimizer):
        self.factor[0] = values(k)


class LayerAttribute(Change):
    def extra(self):
        class Scale(nn.Module):
            def __init__(self):
                self.factor = 1.0

            def forward(self, x):
                return x * self.factor

        return Scale()

    def apply(self, k, model, optimizer):
        model.layers[1].factor = values(k)


class LayerMethod(Change):
    def apply(self, k, model, optimizer):
        factor = values(k)
        model.layers[1].forward = lambda x: x * factor


class DropoutP(Change):
    def extra(self):
        return nn.Dropout(0.25, rng=np.random.default_rng(5))

    def apply(self, k, model, optimizer):
        model.layers[1].p = 0.25 * values(k)


class Mode(DropoutP):
    def apply(self, k, model, optimizer):
        model.layers[1].train(k % 2 == 1)


class RequiresGrad(Change):
    def apply(self, k, model, optimizer):
        model.layers[0].weight.requires_grad = k % 2 == 0


class ReplacedParameter(Change):
    def apply(self, k, model, optimizer):
        drawn = np.random.default_rng(k).normal(size=model.layers[0].weight.shape)
        model.layers[0].weight = nn.Parameter(drawn)


class ReplacedLayer(Change):
    def apply(self, k, model, optimizer):
        model.layers[1] = (nn.Tanh, nn.Softplus)[k % 2]()


class AddedLayer(Change):
    def apply(self, k, model, optimizer):
        model.layers.insert(1, nn.Tanh())


class TiedLayer(Change):
    def apply(self, k, model, optimizer):
        if k % 2:
            model.layers[0].bias = None
        else:
            model.layers[0].bias = nn.Parameter(np.full(5, 0.1))


class Assigned(Change):
    def apply(self, k, model, optimizer):
        model.layers[0].weight.data = np.random.default_rng(k).normal(
            size=model.layers[0].weight.shape)


class InPlace(Change):
    def apply(self, k, model, optimizer):
        model.layers[0].weight.data[...] *= 0.5


class Rate(Change):
    def apply(self, k, model, optimizer):
        optimizer.lr = 0.1 * values(k)


class Momentum(Change):
    def apply(self, k, model, optimizer):
        optimizer.hyperparameters["momentum"] = 0.5 * values(k) / 2


CHANGES = {kind.__name__: kind for kind in list(globals().values())
           if isinstance(kind, type) and issubclass(kind, Change) and kind is not Change}
"""All kinds of changes by name."""
