"""The equation of an operation, read from its record: ``x̄ = g (1 − y²)`` as Python code.

An equation is a list of relations, with a comma and two spaces between them. A name is an array: an
argument or its initial, a static parameter, the output `y`, its cotangent `g`, and ``x̄``, what the
gradient rule for `x` returns. Factors are written side by side (`@` is the matrix product);
``f x`` and ``f(x, …)`` are calls; ``[x > 0]`` is 1 where the condition holds and 0 elsewhere;
``a[i, j]``, without a space, is an element. `equation_values` evaluates both sides.
"""

from __future__ import annotations

import ast
import functools
import math
import re
import unicodedata
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeGuard

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import OPS, Op

BAR = "\u0304"
CONSTANTS = {"π": math.pi, "e": math.e, "inf": math.inf}
REDUCTIONS: dict[str, Any] = {
    "Σ": np.sum, "Π": np.prod, "mean": np.mean, "max": np.max, "min": np.min}
"""The functions over the operation's `axis`; max and min of several arguments are elementwise."""
SUMS = ("Σ", "Π")
"""The functions of a whole product: ``Σ a b`` is ``Σ(a b)``, while ``ln a b`` is ``(ln a) b``."""

SIGNS = str.maketrans({
    "−": "-", "·": "*", "^": "**", "²": "**2", "³": "**3", "ᵀ": ".T", "½": "0.5", "√": "sqrt ",
    "∛": "cbrt ", "⌊": "floor(", "⌋": ")", "⌈": "ceil(", "⌉": ")", "∞": "inf", "₀": "0", "₁": "1",
    "₂": "2", "=": "==", "≠": "!=", "≤": "<=", "≥": ">="})
KEYWORDS = ("if", "else", "and", "or", "not")
TOKEN = re.compile(
    rf"\d+(?:\.\d+)?|'[^']*'|holds\[|[^\W\d][\w{BAR}]*|\*\*|\.T|[=!<>]=|[-+*/@<>,()\[\]]")


class NoMeaning(Exception):
    """Raised for a sample that an equation says nothing about."""


def matrix(a: Array) -> Any:
    """Return an array that has the two axes of matrices; a vector has no transpose."""
    if np.ndim(a) < 2:
        raise NoMeaning("a vector is no matrix")
    return a


@functools.cache
def known_functions() -> dict[str, object]:
    """Return the functions that equations can call beside operations: NumPy's, SciPy's, and own."""
    from scipy import special

    modules = {**vars(special), **vars(np.linalg), **vars(np)}
    return {
        **{name: function for name, function in modules.items() if callable(function)},
        "ln": np.log, "arsinh": np.arcsinh, "arcosh": np.arccosh, "artanh": np.arctanh,
        "max": np.maximum, "min": np.minimum, "C": special.binom, "σ": special.expit,
        "Φ": special.ndtr, "φ": lambda x: np.exp(-x * x / 2) / math.sqrt(2 * math.pi),
        "ψ": special.digamma, "Γ": special.gamma,
        "diag": lambda a: a[..., None, :] * np.eye(a.shape[-1]),
        "transposed": lambda a: np.swapaxes(matrix(a), -1, -2),
        "matrix_product": lambda a, b: matrix(a) @ matrix(b),
        "holds": lambda condition: np.asarray(condition, float),
        "all_of": lambda *conditions: functools.reduce(np.logical_and, conditions),
        "any_of": lambda *conditions: functools.reduce(np.logical_or, conditions)}


def python_source(text: str, functions: Mapping[str, object]) -> str:
    """Return an expression in Python's notation: ``2 * sin ( x ) * y`` for ``2 sin x y``."""
    text = unicodedata.normalize("NFKC", text.translate(SIGNS))
    text = re.sub(r"\bwhere\b", "if", re.sub(r"\|([^|]+)\|", r"abs(\1)", text))
    text = re.sub(rf"(?<![\w)\]{BAR}])\[", "holds[", text)  # else an element follows
    tokens = TOKEN.findall(text)
    if "".join(tokens) != text.replace(" ", ""):
        raise SyntaxError(text)  # it has other signs
    # A function without brackets ends before the next factor, and a sum after the last one.
    source: list[str] = []
    unclosed: list[str] = []  # the brackets, functions and sums that have not ended
    operand = False  # whether the last token ends an operand
    for token, following in zip(tokens, [*tokens[1:], ""], strict=False):
        begins = token not in KEYWORDS and (token[0] in "('" or token[0].isalnum())
        if operand and token not in ("**", ".T", "["):
            factor = begins or token == "*"
            while unclosed and unclosed[-1] in (("function",) if factor else ("function", "sum")):
                unclosed.pop()
                source.append(")")
            source += ["*"] * begins
        source.append(token)
        if token in SUMS or (token in functions and following != "("):
            if token not in REDUCTIONS and getattr(functions[token], "nin", 0) != 1:
                raise SyntaxError(f"{token} needs brackets")
            source.append("(")
            unclosed.append("sum" if token in SUMS else "function")
        elif token[-1] in "([":
            unclosed.append("bracket")
        elif token in ")]":
            del unclosed[-1:]
        called = token in SUMS or token in functions or token[-1] in "(["
        operand = token in (")", "]", ".T") or (begins and not called)
    return " ".join(source) + ")" * (len(unclosed) - unclosed.count("bracket"))


Element = tuple[str, list[str]]
"""The array of an element and its places: names that stand there alone, and "" for others."""


class RelationSide(ast.NodeTransformer):
    """One side of a relation as code, with calls for what Python only does with single values."""

    def __init__(self, text: str, functions: Mapping[str, object]) -> None:
        self.names: set[str] = set()  # also those of functions
        self.elements: list[Element] = []
        tree = self.visit(ast.parse(python_source(text, functions), mode="eval"))
        self.code = compile(ast.fix_missing_locations(tree), text, "eval")
        self.places = [place for _, places in self.elements for place in places if place]
        self.has_bar = any(map(has_bar, self.names))

    def visit(self, node: ast.AST) -> Any:
        """Return what replaces a node, after the nodes in it have been replaced."""
        match self.generic_visit(node):
            case ast.Name(id=name):
                self.names.add(name)
            case ast.BoolOp(op=sign, values=conditions):
                return _call("all_of" if isinstance(sign, ast.And) else "any_of", *conditions)
            case ast.Compare(left=left, ops=signs, comparators=others):
                pairs = zip([left, *others], signs, others, strict=False)
                return _call("all_of", *(ast.Compare(a, [sign], [b]) for a, sign, b in pairs))
            case ast.UnaryOp(op=ast.Not(), operand=condition):
                return _call("logical_not", condition)
            case ast.IfExp(test=condition, body=a, orelse=b):
                return _call("where", condition, a, b)
            case ast.Attribute(value=a):
                return _call("transposed", a)
            case ast.BinOp(left=a, op=ast.MatMult(), right=b):
                return _call("matrix_product", a, b)
            case ast.Subscript(value=ast.Name(id="holds"), slice=condition):
                return _call("holds", condition)
            case ast.Subscript(value=array, slice=index):
                places = index.elts if isinstance(index, ast.Tuple) else [index]
                names = [getattr(part, "id", "") for part in (array, *places)]
                self.elements.append((names[0], names[1:]))
                return _call("element", array, *places)
        return node


def _call(function: str, *args: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(function, ast.Load()), list(args), [])


class Relation(NamedTuple):
    """Two sides that are equal."""

    text: str
    left: RelationSide
    right: RelationSide

    @property
    def names(self) -> set[str]:
        """All names in it."""
        return self.left.names | self.right.names


def read_relation(text: str, functions: Mapping[str, object]) -> Relation | None:
    """Read a relation; words give None. A condition, ``|y − x| ≤ ½``, is one that equals 1."""
    left, _, right = (text if " = " in text else f"[{text}] = 1").partition(" = ")
    try:
        return Relation(text, RelationSide(left, functions), RelationSide(right, functions))
    except SyntaxError:
        return None


class WrittenEquation:
    """The equation of an operation, read.

    The first relation may begin with the names of the outputs, ``Q, R: a = Q @ R``, or be about
    another name than `y`: ``out = x ln y``. A name that is alone on the left of a later relation
    is defined by it. Words are what cannot be read, or has names that nothing explains.
    """

    def __init__(self, op: Op) -> None:
        self.op, self.functions = op, {**OPS, **known_functions(), "__builtins__": {}}
        outputs, colon, equation = op.record.equation.partition(": ")
        if not colon or "=" in outputs:
            outputs, equation = "", op.record.equation
        texts = equation.split(",  ") if equation else []
        names = [_left_name(text) for text in texts]
        other = [name for name in names[:1] if name and name not in op.arrays]
        self.outputs = outputs.split(", ") if outputs else other or ["y"]
        given = {*op.arrays, *self.outputs, *(["g"] if op.outputs == 1 else [])}
        defined = {n: text for n, text in zip(names, texts, strict=True) if n and n not in given}
        self.arguments = _arguments(op, defined)
        barred = [*self.arguments, *(self.outputs if op.outputs > 1 else [])]
        self.values = {*given, *defined, *self.arguments, *op.defaults, *CONSTANTS, "n"}
        self.values.update(bar(name) for name in barred)
        functions = {n: f for n, f in self.functions.items() if n not in self.values}
        read = {text: read_relation(text, functions) for text in texts}
        # What is defined by words, or by a name that is, is words itself.
        while unclear := {name for name in defined if not self._is_clear(read[defined[name]])}:
            self.values -= unclear
            defined = {name: text for name, text in defined.items() if name not in unclear}
        clear = {text: relation for text, relation in read.items() if self._is_clear(relation)}
        self.words = [text for text in texts if text not in clear]
        self.definitions = {name: clear[text] for name, text in defined.items()}
        self.relations = [clear[text] for text in clear if text not in defined.values()]

    def _is_clear(self, relation: Relation | None) -> TypeGuard[Relation]:
        """Return whether every name and function in a relation is known."""
        if relation is None:
            return False
        known = {*self.values, *SUMS, *relation.left.places, *relation.right.places}
        for name in relation.names - known:
            function = self.functions.get(name)
            itself = isinstance(function, Op) and function.forward is self.op.forward
            # y = f(x), with the operation itself as f, says nothing.
            if function is None or (itself and not any(map(has_bar, relation.names))):
                return False
        return True

    def notes(self) -> list[str]:
        """Return what the check of the equation leaves open."""
        if not self.op.record.equation:
            return ["the equation, as the record has none."]
        covered = {name for relation in self.relations for name in relation.names}
        explained = {array for name, array in self.arguments.items() if bar(name) in covered}
        rules = zip(self.op.arrays, self.op.rules, strict=True)
        missing = [name for name, rule in rules if rule is not None and name not in explained]
        return [
            *(f"the equation '{text}', which is in words." for text in self.words),
            *(f"an equation for '{name}': the record has none." for name in missing
              if not any(map(has_bar, self.words)))]


def bar(name: str) -> str:
    """Return the name of a cotangent: ``x̄1`` for `x1`."""
    return unicodedata.normalize("NFKC", name[0] + BAR + name[1:])


def has_bar(text: str) -> bool:
    """Return whether there is a cotangent in a text."""
    return BAR in unicodedata.normalize("NFD", text)


def _left_name(text: str) -> str:
    """Return the name that is alone on the left side of a relation, or nothing."""
    left, equal, _ = text.partition(" = ")
    name = left.partition("[")[0]
    return name if equal and name.isidentifier() and not has_bar(name) else ""


def _arguments(op: Op, defined: dict[str, str]) -> dict[str, str]:
    """Return the parameters by their names: an initial, one that is defined by it, their own."""
    initials = [array[0] for array in op.arrays]
    unique = {array[0]: array for array in op.arrays if initials.count(array[0]) == 1}
    rights = {name: text.partition(" = ")[2] for name, text in defined.items()}
    return {
        **unique, **{initial.upper(): array for initial, array in unique.items()},
        **{name: right for name, right in rights.items() if right in op.arrays},
        **{array: array for array in op.arrays}}
