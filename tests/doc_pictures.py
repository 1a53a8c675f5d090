"""Writes docs/pictures/: what the snippets of a page save, for the page to show.

The text of a graph, `name.dot`, becomes `name.svg` if the page shows that; this needs Graphviz.

``python -m tests.doc_pictures`` runs the Python blocks of each page and keeps the pictures that it
shows. Doctests are left out: none of them draws.
"""

from __future__ import annotations

import linecache
import re
import shutil
from pathlib import Path
from typing import Any

from tests.child import run

DOCS = Path(__file__).parents[1] / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PICTURE = re.compile(r"!\[[^\]]*\]\(pictures/([\w.]+)\)")


def write_pictures(page: Path) -> list[str]:
    """Run a page, and copy the pictures that it shows from its `folder` to docs/pictures/."""
    text = page.read_text(encoding="utf-8")
    names = PICTURE.findall(text)
    namespace: dict[str, Any] = {}
    if names:
        for number, block in enumerate(BLOCK.findall(text)):
            if not block.startswith(">>>"):
                place = f"<{page.name}, block {number}>"
                # Some blocks are about messages that quote the line of a call.
                linecache.cache[place] = len(block), None, block.splitlines(keepends=True), place
                exec(compile(block, place, "exec"), namespace)
        (DOCS / "pictures").mkdir(exist_ok=True)
        for text_of_a_graph in namespace["folder"].glob("*.dot") if "folder" in namespace else ():
            picture = text_of_a_graph.with_suffix(".svg")
            if picture.name in names:
                run(["dot", "-Tsvg", "-o", picture, text_of_a_graph], check=True)
    # Others are drawn by programs of their own, such as tests.playground_picture.
    drawn = [name for name in names
             if "folder" in namespace and (namespace["folder"] / name).exists()]
    for name in drawn:
        shutil.copy(namespace["folder"] / name, DOCS / "pictures" / name)
    return drawn


if __name__ == "__main__":
    for path in sorted(DOCS.glob("*.md")):
        for written in write_pictures(path):
            print(f"{path.name}: {written}")
