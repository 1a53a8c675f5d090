"""The text of a repair: the person's own text, in which only what changed is written anew."""

from __future__ import annotations

import ast
import textwrap
from difflib import SequenceMatcher
from typing import Any

from tinygrad_mlp.support.source_rewriting import FunctionSource

OPEN = (ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Lambda, ast.Starred,
        ast.NamedExpr, ast.Yield, ast.Await, ast.GeneratorExp, ast.Slice, ast.Tuple)
"""Expressions that may need brackets where something else is around them."""

COMPOUND = (ast.For, ast.While, ast.If, ast.With)


def text_of_change(source: FunctionSource, before: Any, after: Any) -> str:
    """Return the text of a changed copy of a statement; of a loop or a branch, its first line."""
    if type(before) is type(after) and isinstance(before, ast.stmt):
        old, new = differing(before, after)
        made = _written(new, source)
        bare = made[1:-1] if isinstance(new, ast.Tuple) else made  # x[i, j], not x[(i, j)]
        for text in (bare, made, f"({made})") if old is not before else ():
            whole = _spliced(source, before, old, text)
            if _same(whole, after):
                less = whole.replace(f"({text})", text)  # brackets that were of what is replaced
                return less if not isinstance(new, OPEN) and _same(less, after) else whole
    return header_of(after) if isinstance(after, COMPOUND) else _written(after, source)


def differing(before: ast.AST, after: ast.AST) -> tuple[ast.AST, ast.AST]:
    """Return the smallest parts of two trees outside of which these are the same."""
    if type(before) is not type(after):
        return before, after
    found = []
    for name, old in ast.iter_fields(before):
        new = getattr(after, name)
        olds, news = (old, new) if isinstance(old, list) else ([old], [new])
        if len(olds) != len(news):
            return before, after
        for a, b in zip(olds, news, strict=True):
            if isinstance(a, ast.AST) and isinstance(b, ast.AST):
                if ast.dump(a) != ast.dump(b):
                    found.append((a, b))
            elif a != b:
                return before, after
    if len(found) != 1 or not isinstance(found[0][0], ast.expr):
        return before, after
    return differing(*found[0])


def header_of(statement: ast.AST) -> str:
    """Return the text of a statement; of a loop or a branch, its first line only."""
    text = ast.unparse(ast.fix_missing_locations(statement))
    return text.partition("\n")[0] if isinstance(statement, COMPOUND) else text


def changed_characters(before: str, after: str) -> float:
    """Return about how many characters of a text differ from those of another one."""
    kept = SequenceMatcher(None, before, after, autojunk=False).ratio()
    return (1 - kept) * (len(before) + len(after)) / 2


def _spliced(source: FunctionSource, statement: Any, node: Any, text: str) -> str:
    """Return the text of a statement with another text in the place of one of its expressions."""
    body = getattr(statement, "body", None)
    lines = list(source.lines[statement.lineno - 1:(body[0].lineno - 1 if body else None)])
    first, last = node.lineno - statement.lineno, node.end_lineno - statement.lineno
    end = statement.end_lineno - statement.lineno
    if not body:
        lines = lines[:end + 1]
        lines[end] = lines[end].encode()[:statement.end_col_offset].decode()
    tail = lines[last].encode()[node.end_col_offset:].decode()
    lines[first:last + 1] = [lines[first].encode()[:node.col_offset].decode() + text + tail]
    return textwrap.dedent("".join(lines)).rstrip()


def _same(text: str, statement: ast.stmt) -> bool:
    """Return whether a text is that of a statement; of a loop or a branch, whether it can be."""
    compound = isinstance(statement, COMPOUND)
    try:
        made: Any = ast.parse(f"{text}\n    pass" if compound else text).body[0]
    except SyntaxError:
        return False
    return header_of(made) == header_of(statement)


def _written(tree: ast.AST, source: FunctionSource) -> str:
    """Return the text of a tree in which what the person wrote is left as it was written."""
    plain = ast.unparse(ast.fix_missing_locations(tree))
    lines = "".join(source.lines)
    for bold in (True, False):
        own = ast.unparse(_with_own(tree, source, True, bold))
        if '"' not in own and lines.count('"') > lines.count("'"):
            own = own.replace("'", '"')
        try:
            if ast.unparse(ast.parse(own)) == plain:
                return own
        except SyntaxError:
            continue
    return plain


def _with_own(node: ast.AST, source: FunctionSource, free: bool, bold: bool) -> ast.AST:
    """Return a copy of a tree with names that read as the person's text in the place of parts.

    `free` says that no bracket can be needed round the node, and `bold` that none is hoped to be.
    """
    if isinstance(node, ast.expr) and (free or bold or not isinstance(node, OPEN)):
        text = _own_text(node, source)
        if text is not None:
            return ast.Name(text, ast.Load())
    fields: dict[str, Any] = {}
    for name, value in ast.iter_fields(node):
        inside = isinstance(node, (ast.stmt, ast.Call, ast.List, ast.keyword)) and name != "func"
        if isinstance(value, list):
            fields[name] = [_with_own(v, source, inside, bold) if isinstance(v, ast.AST) else v
                            for v in value]
        else:
            fields[name] = _with_own(value, source, inside, bold) if isinstance(
                value, ast.AST) else value
    return ast.copy_location(type(node)(**fields), node)


def _own_text(node: ast.expr, source: FunctionSource) -> str | None:
    """Return what the person wrote for an expression; None where it is not in the source."""
    if not 0 < getattr(node, "end_lineno", 0) <= len(source.lines):
        return None
    text = source.text(node)
    try:
        return text if ast.unparse(ast.parse(text, mode="eval")) == ast.unparse(node) else None
    except (SyntaxError, ValueError):
        return None
