"""Every public name says what it does, with its arguments, errors, an example and its source."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import textwrap
import types

import pytest

import tinygrad_mlp as tg

MODULES = [
    "", "autograd", "autograd.ops.linalg.namespace", "data", "drawing", "errors", "explanation",
    "nn", "nn.init", "optim", "optim.schedule", "plotting", "program", "saving.model", "stats",
    "training.callbacks", "verify", "verify.formulas",
]
"""Whose names are public: those of ``__all__``, or all without an underscore that live there."""

FORMULA = re.compile(r"``[^`\n]*Σ[^`\n]*``|``(?=[^`\n]*=)[^`\n]*[∂√½ᵀ²·−σλαβγεμθφΦŷ∫⊙][^`\n]*``")
"""How docstrings write one: in double backticks, a sum or an equation with signs no code has."""

SOURCE = re.compile(r"Source: |[Tt]he (document|classic experiment)")

LINE = 100


def names_of(module):
    """The public names of a module that are functions, classes or operations of the package."""
    wanted = getattr(module, "__all__", None) or [n for n in dir(module) if n[0] != "_"]
    for name in wanted:
        found = getattr(module, name)
        home = getattr(found, "__module__", None) or ""
        foreign = not home.startswith("tinygrad_mlp") or isinstance(found, types.ModuleType)
        elsewhere = module is not tg and not hasattr(module, "__all__") and home != module.__name__
        if callable(found) and not foreign and not elsewhere:
            yield name, found


def public():
    """Every public name once, with what it stands for."""
    found = {}
    for path in MODULES:
        module = importlib.import_module(f"tinygrad_mlp.{path}".rstrip("."))
        for name, value in names_of(module):
            found.setdefault(id(value), (f"{path}.{name}".lstrip("."), value))
    return sorted(found.values(), key=lambda pair: pair[0])


PUBLIC = public()
OPERATIONS = [(name, value) for name, value in PUBLIC if isinstance(value, tg.Op)]
OTHERS = [(name, value) for name, value in PUBLIC if not isinstance(value, tg.Op)]
CLASSES = [(name, value) for name, value in OTHERS if inspect.isclass(value)]


def each(pairs):
    return pytest.mark.parametrize("value", [v for _, v in pairs], ids=[n for n, _ in pairs])


def is_error(value):
    return inspect.isclass(value) and issubclass(value, BaseException)


def summary_faults(text):
    """What is wrong with the first line of a docstring."""
    if not text:
        return ["there is no docstring"]
    first, *rest = text.splitlines()
    faults = []
    if not first.endswith((".", ":")) or len(first) > LINE:
        faults.append(f"the first line is no sentence of at most {LINE} characters: {first!r}")
    if rest and rest[0]:
        faults.append("an empty line must follow the first")
    return faults


def parameters_of(value):
    """Names of the parameters that a caller gives."""
    if is_error(value):
        return []
    try:
        parameters = inspect.signature(value).parameters.values()
    except ValueError:
        return []
    return [p.name for p in parameters if p.kind is not p.VAR_KEYWORD]


def raised_in(function):
    """Names of the exceptions that the body of a function raises itself."""
    if function.__code__.co_filename.startswith("<"):
        return set()  # made by NamedTuple or dataclass
    body = ast.parse(textwrap.dedent(inspect.getsource(function)))
    return {
        ast.unparse(node.exc.func)
        for node in ast.walk(body)
        if isinstance(node, ast.Raise)
        and isinstance(node.exc, ast.Call)
        and isinstance(node.exc.func, ast.Name)
    } - {"NotImplementedError"}


def faults_of(value):
    """What the docstring of a function or class lacks."""
    text = inspect.cleandoc(value.__doc__ or "")
    faults = summary_faults(text)
    for name in parameters_of(value):
        if not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text):
            faults.append(f"the parameter {name} is not mentioned")
    function = value.__init__ if inspect.isclass(value) else inspect.unwrap(value)
    if inspect.isfunction(function):
        faults += [
            f"{error} is raised, but not mentioned"
            for error in sorted(raised_in(function))
            if error not in text
        ]
    if ">>>" not in text and not is_error(value):
        faults.append("there is no example")
    if FORMULA.search(text) and not SOURCE.search(text) and not is_error(value):
        faults.append("there is a formula without a source")
    return faults


def operation_faults(op):
    """What the record of an operation and the help made of it lack."""
    text = inspect.cleandoc(op.__doc__ or "")
    faults = summary_faults(text)
    if not op.record.equation or f"Equation: {op.record.equation}" not in text:
        faults.append("there is no equation")
    equation = op.record.equation
    if any(op.rules) and not re.search("̄|ā", equation) and "∂L/∂" not in equation:
        faults.append("the equation has no gradient rule")
    for name, why in {
        r"Shapes: |[Ss]hape|axis|axes|[Ee]lement": "shapes are not mentioned",
        r">>> ": "there is no example",
        SOURCE.pattern: "there is no source",
    }.items():
        if not re.search(name, text):
            faults.append(why)
    return faults


@each(OTHERS)
def test_docstring_is_complete(value):
    assert faults_of(value) == []


@each(OPERATIONS)
def test_operation_shows_its_equation_shapes_example_and_source(value):
    assert operation_faults(value) == []


def method_faults(cls):
    """What the docstrings of a class's own methods and properties lack."""
    faults = []
    for name, attribute in vars(cls).items():
        method = getattr(attribute, "__func__", getattr(attribute, "fget", attribute))
        if name[0] == "_" or not inspect.isfunction(method):
            continue
        # One that overrides says what its base says.
        own = inspect.cleandoc(inspect.getdoc(getattr(cls, name)) or "")
        found = summary_faults(own)
        found += [
            f"{error} is raised, but not mentioned"
            for error in sorted(raised_in(method))
            if error not in own + (cls.__doc__ or "")  # the class may speak for its `forward`
        ]
        faults += [f"{name}: {fault}" for fault in found]
    return faults


@each(CLASSES)
def test_methods_say_what_they_do(value):
    assert method_faults(value) == []


def test_the_public_names_are_those_that_one_finds():
    names = {name for name, _ in PUBLIC}
    assert len(PUBLIC) > 300
    assert {"Tensor", "fit", "tanh", "nn.Linear", "optim.Adam", "verify.check_grad"} <= names


def lacking(x):
    return x


def with_formula(x):
    """Twice x: ``y = 2 · x``.

    >>> with_formula(1)
    2
    """
    if x is None:
        raise ValueError("x")
    return 2 * x


def run_on(y):
    """Does this
    and that."""


@pytest.mark.parametrize(
    ("function", "faults"),
    [
        (lacking, ["there is no docstring", "x is not mentioned", "no example"]),
        (with_formula, ["ValueError is raised", "formula without a source"]),
        (run_on, ["no sentence", "an empty line", "y is not mentioned", "no example"]),
    ],
)
def test_what_a_docstring_lacks_is_found(function, faults):
    found = faults_of(function)
    assert len(found) == len(faults)
    assert all(part in fault for part, fault in zip(faults, found, strict=True))


def test_what_an_operation_lacks_is_found():
    @tg.op(rules={"x": lambda g, y, x: g}, equation="y = x", register=False)
    def bare(x):
        """As it is."""
        return x

    assert operation_faults(bare) == [
        "the equation has no gradient rule", "shapes are not mentioned", "there is no example",
        "there is no source",
    ]


def test_what_a_method_lacks_is_found():
    class Thing:
        """A thing."""

        def silent(self):
            raise ValueError("no")

        @property
        def stated(self):
            """Never.

            Raises:
                KeyError: always.
            """
            raise KeyError("no")

    assert method_faults(Thing) == [
        "silent: there is no docstring", "silent: ValueError is raised, but not mentioned",
    ]
