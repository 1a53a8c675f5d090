"""The equation of an operation, read from its record: relations, definitions, and words.

Every name in an equation stands for an array: an argument, the output `y`, its cotangent `g`, and
``x̄``, what the gradient rule for `x` returns. `equation_syntax` describes how it is written and
`equation_values` how it is checked.
"""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

from tinygrad_mlp.autograd.op import Op
from tinygrad_mlp.verify.operations.equation_functions import (
    OVER_AXES,
    PREFIXES,
    SYMBOLS,
    function_named,
)
from tinygrad_mlp.verify.operations.equation_syntax import (
    BAR,
    NotAnEquation,
    Parser,
    Tree,
    decomposed,
)


class Clause(NamedTuple):
    """A relation of an equation: as text, and as a tree."""

    text: str
    tree: Tree


class WrittenEquation:
    """The equation of an operation, read.

    The first relation may begin with the names of the outputs, ``Q, R: a = Q @ R``, or be about
    another name than `y`: ``out = x ln y``. A name that is alone on the left of a later relation
    is defined by it. Words are what cannot be read, or has names that nothing explains.

    Args:
        op: the operation.

    Attributes:
        outputs: the names of the outputs.
        clauses: the relations that must hold.
        definitions: the relations that define a name, by that name.
        words: the relations in words, which are not evaluated.
        missing: the arguments with a gradient rule that no relation is about.

    >>> import tinygrad_mlp as tg
    >>> [clause.text for clause in WrittenEquation(tg.OPS["mean"]).clauses][0]
    'y = Σ a / n'
    """

    def __init__(self, op: Op) -> None:
        self.op = op
        self.outputs = ["y"]
        self.clauses: list[Clause] = []
        self.definitions: dict[str, Tree] = {}
        self.words: list[str] = []
        texts = decomposed(op.record.equation).split(",  ") if op.record.equation else []
        names = [_left_name(text) for text in texts]
        if texts and ": " in texts[0]:
            listed, _, texts[0] = texts[0].partition(": ")
            self.outputs = listed.split(", ")
        elif texts and names[0] and names[0] not in op.arrays:
            self.outputs = [names[0]]
        given = {*op.arrays, *self.outputs, "g"}
        defined = {name for name in names if name and name not in given}
        initials = {initial for a in op.arrays for initial in (a[0], a[0].upper())}
        for name, text in zip(names, texts, strict=True):
            try:
                tree = Parser(text, PREFIXES, {*given, *defined, *initials}).relation()
            except NotAnEquation:
                self.words.append(text)
                continue
            if name in defined:
                self.definitions[name] = tree
            else:
                self.clauses.append(Clause(text, tree))
        self._sort_out_words()

    def _sort_out_words(self) -> None:
        self.definitions = {n: t for n, t in self.definitions.items() if self._has_meaning(t)}
        self.words += [clause.text for clause in self.clauses if not self._has_meaning(clause.tree)]
        self.clauses = [clause for clause in self.clauses if clause.text not in self.words]
        trees = [tree for clause in self.clauses for tree in clause.tree.walk()]
        covered = {self.argument(tree.text) for tree in trees if tree.head == "bar"}
        in_words = any(BAR in text for text in self.words)
        self.missing = [
            name for name, rule in zip(self.op.arrays, self.op.rules, strict=True)
            if rule is not None and name not in covered and not in_words
        ]  # fmt: skip

    def _has_meaning(self, relation: Tree) -> bool:
        """Return whether every name and function in a relation is known."""
        op = self.op
        names = {*op.defaults, *self.outputs, *self.definitions, *SYMBOLS, *relation.indices()}
        names |= {"n", "g"} if op.outputs == 1 else {"n"}
        of_gradient = any(tree.head == "bar" for tree in relation.walk())

        def known(tree: Tree) -> bool:
            if tree.head in ("number", "text", "tuple", "element", "Σⱼ", "softmax", *OVER_AXES):
                return True
            if tree.head == "name" and tree.text in names:
                return True
            if tree.head in ("name", "bar"):
                return tree.text in self.outputs or self.argument(tree.text) is not None
            function = function_named(tree.head)
            itself = isinstance(function, Op) and function.forward is op.forward
            # y = f(x), with the operation itself as f, says nothing.
            return function is not None and (of_gradient or not itself)

        return all(known(tree) for tree in relation.walk())

    def argument(self, name: str) -> str | None:
        """Return the parameter that a name stands for: itself, an initial, or a definition."""
        if name in self.op.arrays:
            return name
        if name in self.definitions:
            right = self.definitions[name].parts[1]
            return self.argument(right.text) if right.head == "name" else None
        found = [a for a in self.op.arrays if a[0] == name.lower()]
        return found[0] if len(found) == 1 else None

    def notes(self) -> list[str]:
        """Return what the check of the equation leaves open."""
        if not self.op.record.equation:
            return ["the equation, as the record has none."]
        shown = [unicodedata.normalize("NFC", text) for text in self.words]
        return [
            *(f"the equation '{text}', which is in words." for text in shown),
            *(f"an equation for '{name}': the record has none." for name in self.missing),
        ]


def _left_name(text: str) -> str:
    """Return the name that is alone on the left side of a relation, or nothing."""
    left, equal, _ = text.partition(" = ")
    name = left.partition("[")[0].strip()
    return name if equal and name.isidentifier() and BAR not in name else ""
