"""Draws docs/pictures/architecture.svg: the storeys of the package and the imports between them.

``python -m tests.architecture`` writes the picture anew, with Graphviz's `dot`. The storeys are
those of the import contract in pyproject.toml, the arrows are the imports in the code. A test holds
that the picture is up to date, by the text given to `dot`, which is kept beside it.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

from tests.house import PACKAGE, import_graph
from tinygrad_mlp.drawing.graphviz import render

ROOT = Path(__file__).parents[1]
DOT = ROOT / "docs" / "pictures" / "architecture.dot"

CAPTIONS = {
    "__main__": "python -m tinygrad_mlp",
    "cli": "the command line",
    "classroom": "marks and exercises",
    "estimators": "scikit-learn",
    "reporting": "HTML reports",
    "saving": "files, PyTorch, ONNX",
    "neural_network": "NeuralNetwork",
    "playground": "training to watch",
    "stepping": "a pass in steps",
    "verify": "checks",
    "drawing": "graphs as pictures",
    "training": "the loop",
    "explanation": "derivations",
    "program": "compiled steps",
    "plotting": "curves and arrays",
    "graph_view": "layers and names",
    "compat": "names of other libraries",
    "nn": "layers",
    "numpy": "NumPy that records stores",
    "optim": "update rules",
    "parallel": "several processes",
    "stats": "probability distributions",
    "autograd": "the engine",
    "data": "images and batches",
    "support": "arguments and files",
    "errors": "exceptions",
}


def storeys() -> list[list[str]]:
    """The rows of the import contract, from the top."""
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    (layers,) = [
        contract["layers"]
        for contract in tool["importlinter"]["contracts"]
        if contract.get("containers") == [PACKAGE]
    ]
    return [[name.strip() for name in row.split("|")] for row in layers]


def arrows() -> set[tuple[str, str]]:
    """Return the pairs of parts that import each other directly and through no third part."""
    graph = import_graph(ROOT)
    parts = [part for row in storeys() for part in row]
    for part in parts:
        if graph.find_children(f"tinygrad_mlp.{part}"):
            graph.squash_module(f"tinygrad_mlp.{part}")
    imports = {
        part: {
            name.removeprefix("tinygrad_mlp.")
            for name in graph.find_modules_directly_imported_by(f"tinygrad_mlp.{part}")
        }
        & set(parts) - {part}
        for part in parts
    }
    below: dict[str, set[str]] = {}
    for part in reversed(parts):
        below[part] = imports[part].union(*(below[other] for other in imports[part]))
    return {
        (part, other)
        for part in parts
        for other in imports[part]
        if not any(other in below[between] for between in imports[part])
    }


def dot() -> str:
    """The picture in Graphviz's language: a row for each storey."""
    lines = [
        "digraph {",
        '  node [shape=box, style="rounded,filled", fillcolor="#f4f6f8", color="#5b6b7b",',
        '        fontname="Helvetica", fontsize=12]',
        '  edge [color="#8a97a4", arrowsize=0.6]',
        "  ranksep=0.35 nodesep=0.25",
    ]
    rows = [row for row in storeys() if row != ["__main__"]]
    for number, row in enumerate(rows):
        cells = "; ".join(f'{part} [label=<<b>{part}</b><br/>{CAPTIONS[part]}>]' for part in row)
        lines.append(f"  {{rank=same; row{number} [style=invis, label=\"\"]; {cells}}}")
    lines.append(f"  {' -> '.join(f'row{n}' for n in range(len(rows)))} [style=invis]")
    lines += [f"  {a} -> {b}" for a, b in sorted(arrows()) if a != "__main__"]
    return "\n".join([*lines, "}"]) + "\n"


def main() -> None:
    """Write the picture and the text it is drawn from."""
    DOT.write_text(dot())
    picture = DOT.with_suffix(".svg")
    picture.write_bytes(render(DOT.read_text(), "svg"))
    print(f"Wrote {picture}")


if __name__ == "__main__":
    main()
