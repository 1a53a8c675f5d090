"""The reference: a directive that documents public names, and what single backticks mean in it."""

from __future__ import annotations

import builtins
import importlib
import inspect
import re
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_refnode

import tinygrad_mlp as tg
from tinygrad_mlp.autograd import ops

from .notation import inline  # noqa: TID252 (Sphinx finds this folder by its own path)

ROOT = "tinygrad_mlp"
BLOCK = re.compile(r"```\{public\} (\S+)\n((?:.*\n)*?)```")


def named(place: str) -> Any:
    """What stands at a place such as ``tinygrad_mlp.nn.Linear``."""
    try:
        return importlib.import_module(place)
    except ModuleNotFoundError:
        module, _, name = place.rpartition(".")
        return getattr(named(module), name)


def functions() -> dict[str, str]:
    """The functions of `tg` that are differentiated, each with the module that it stands in."""
    return {
        name: value.__module__.rpartition(".")[2]
        for name, value in vars(ops).items()
        if not name.startswith("_") and callable(value)
    }


def public_names(module: str) -> list[str]:
    """The public names of a module: `__all__`, or what is defined in it and has no underscore.

    >>> public_names("tinygrad_mlp.optim")[:3]
    ['SGD', 'Adam', 'AdamW']
    """
    if module == ROOT:
        return [*sorted({*tg.autograd.__all__, *tg.LOADED_WHEN_USED}), *functions()]
    loaded = named(module)
    if hasattr(loaded, "__all__"):
        return list(loaded.__all__)
    return [
        name
        for name, value in vars(loaded).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module
    ]


def listed(pages: str) -> dict[str, set[str]]:
    """The names that the directives in the text of these pages list, by module.

    >>> listed("```{public} tinygrad_mlp\\ngrad\\n```\\n")
    {'tinygrad_mlp': {'grad'}}
    """
    found: dict[str, set[str]] = {}
    for module, content in BLOCK.findall(pages):
        names = re.findall(r"^[^:\n].*", content, re.MULTILINE)
        found.setdefault(module, set()).update(" ".join(names).split())
    return found


def documented(place: str, members: bool) -> list[str]:
    """The directive of autodoc for a public name, as lines of reStructuredText."""
    value = named(place)
    if inspect.ismodule(value):
        summary = (value.__doc__ or "").partition("\n\n")[0].splitlines()
        inner = [line for n in public_names(place) for line in documented(f"{place}.{n}", members)]
        return [f".. py:module:: {place}", "", *summary, "", *inner]
    if isinstance(value, type):
        return [f".. autoclass:: {place}", *["   :members:"] * members, ""]
    if not callable(value):
        return [f".. autodata:: {place}", "   :no-value:", ""]
    return [f".. autofunction:: {place}", ""]


class Public(SphinxDirective):
    """Documents the names of a module that it lists.

    Without a list: all that no other directive lists. ``:members:`` shows methods and attributes.
    ``:functions:`` lists the modules of operations whose functions are meant.
    """

    required_arguments = 1
    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {"members": lambda _: True, "functions": str}

    def run(self) -> list[nodes.Node]:
        module = self.arguments[0]
        names = " ".join(self.content).split()
        if "functions" in self.options:
            modules = self.options["functions"].split()
            names = sorted(name for name, place in functions().items() if place in modules)
        elif not names:
            pages = sorted((Path(self.env.srcdir) / "reference").glob("*.md"))
            others = listed("".join(page.read_text(encoding="utf-8") for page in pages))
            taken = others.get(module, set()) | {
                other.removeprefix(f"{module}.").partition(".")[0]
                for other in others if other.startswith(f"{module}.")
            }
            taken |= {"OPS", *functions()} if module == ROOT else set()
            names = [name for name in public_names(module) if name not in taken]
        lines = [line for name in names
                 for line in documented(f"{module}.{name}", "members" in self.options)]
        return self.parse_text_to_nodes("\n".join(["````{eval-rst}", *lines, "````"]))


class Equation(SphinxDirective):
    """An equation in plain notation, one line for each of its parts."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        block = nodes.line_block(classes=["equation"])
        block += [nodes.line("", "", *line) for line in inline(self.arguments[0])]
        return [block]


def readable(docstring: str) -> str:
    r"""A docstring as reStructuredText: what is written for ``help()`` has no markup but backticks.

    >>> readable("The |x| of *args, `a_` and n_.")
    'The \\|x\\| of \\*args, `a_` and n\\_.'

    Names of parameters that go on in the next line are joined, as napoleon wants them.

    >>> readable("Args:\n    x,\n        y: numbers.")
    'Args:\n    x, y: numbers.'
    """
    joined = re.sub(
        r"^    [\w*, ]+,\n(?:        [\w*, ]+,\n)*        [\w*, ]+:",
        lambda names: "    " + " ".join(names.group().split()),
        docstring,
        flags=re.MULTILINE,
    )
    pieces = re.split(r"(``[^`]+``|`[^`]+`|^ *>>> (?:.+\n?)+)", joined, flags=re.MULTILINE)
    pieces[::2] = [re.sub(r"[|*]|(?<=\w)_(?!\w)", r"\\\g<0>", piece) for piece in pieces[::2]]
    return "".join(pieces)


def prepare(app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Make a docstring readable for Sphinx, with the equation of an operation as a formula."""
    paragraphs = "\n".join(lines).split("\n\n")
    equation = getattr(value, "equation", "") if isinstance(value, tg.Op) else ""
    if equation:
        paragraphs = [p for p in paragraphs if not p.startswith("Equation: ")]
    paragraphs = readable("\n\n".join(paragraphs)).split("\n\n")
    if equation:
        paragraphs.insert(1, f".. equation:: {equation}")
    lines[:] = "\n\n".join(paragraphs).splitlines()


def keep_colon(app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Keep napoleon from taking the text before the first colon for a type."""
    if what in ("property", "attribute") and lines:
        lines.insert(0, "")


def known(
    role: str, raw: str, text: str, line: int, inliner: Any, options: Any = None, content: Any = ()
) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    """Single backticks: code, with a link where it names something of the reference."""
    env = inliner.document.settings.env
    link = addnodes.pending_xref(
        raw, nodes.literal(text, text), reftype="known", refdomain="", reftarget=text,
        refdoc=env.docname, refwarn=False, scope=env.ref_context.get("py:class") or "",
    )
    return [link], []


def resolve(app: Any, env: Any, link: addnodes.pending_xref, content: nodes.Element) -> Any:
    """Where a name of a docstring leads to: short names are taken as names of the package."""
    target = link["reftarget"].removesuffix("()")
    objects = env.domaindata["py"]["objects"]
    if link["reftype"] == "known":
        found = find(target, objects, link["scope"])
    elif link["refdomain"] == "py":
        found = find(target.rpartition(".")[2], objects, "")
        if not found and (link["reftype"] == "class" or hasattr(builtins, target)):
            return content  # types in annotations are NumPy's and Python's
    else:
        return None
    if found:
        entry = objects[found]
        builder = app.builder
        return make_refnode(builder, link["refdoc"], entry.docname, entry.node_id, content, found)
    return content if link["reftype"] == "known" else None


def find(name: str, objects: dict[str, Any], scope: str) -> str:
    """The full name of what a docstring calls by a short one, or nothing.

    A lower-case word is a parameter unless it has a dot in it.
    """
    name = name.removeprefix("tg.")
    scoped = f"{scope}.{name}" if scope and scope.startswith(ROOT) else ""
    if scoped in objects:
        return scoped
    if "." not in name and not name[:1].isupper():
        return ""
    ends = [place for place in objects if place.endswith(f".{name}")]
    return min(ends, key=lambda place: (place.count("."), place), default="")


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("public", Public)
    app.add_directive("equation", Equation)
    app.add_role("known", known)
    app.connect("autodoc-process-docstring", prepare, priority=300)
    app.connect("autodoc-process-docstring", keep_colon, priority=400)  # napoleon has 500
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
