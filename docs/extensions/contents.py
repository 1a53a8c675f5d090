"""The table of contents, from ``conf.py``: added to the front page as it is read.

In the page itself it would show as code wherever the Markdown is read without Sphinx.
"""

from __future__ import annotations

from fnmatch import fnmatch
from typing import Any


def listed(contents: dict[str, list[str]], pages: set[str]) -> dict[str, list[str]]:
    """The pages under each caption. A name that is no page is passed over, so that a page can come
    later than its place; a page that has no place comes after the guides.

    >>> listed({"Guides": ["b", "later"], "More": ["folder/*"]}, {"b", "folder/c", "new"})
    {'Guides': ['b', 'new'], 'More': ['folder/c']}
    """
    found = {
        caption: [page for name in names for page in sorted(pages) if fnmatch(page, name)]
        for caption, names in contents.items()
    }
    placed = {page for group in found.values() for page in group}
    found["Guides"] += sorted(pages - placed)
    return found


def add_contents(app: Any, page: str, source: list[str]) -> None:
    """Append a hidden table of contents to the front page."""
    if page == app.config.root_doc:
        pages = set(app.env.found_docs) - {page}
        for caption, names in listed(app.config.contents, pages).items():
            source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n"
            source[0] += "\n".join(names) + "\n```\n"


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_config_value("contents", {}, "env")
    app.connect("source-read", add_contents)
    return {"parallel_read_safe": True}
