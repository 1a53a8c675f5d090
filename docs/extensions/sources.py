"""The examples as pages of the site: links to them lead to their text, in colour."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform

Page = tuple[str, dict[str, Any], str]


def name_of(path: Path) -> str:
    """The name of a file's page."""
    return f"source/{path.parent.name}/{path.stem}"


class LinkSources(SphinxTransform):
    """Turn what would be a download of an example into a link to its page."""

    default_priority = 500

    def apply(self, **kwargs: Any) -> None:
        folder = (Path(self.env.srcdir) / self.env.docname).parent
        for link in list(self.document.findall(addnodes.download_reference)):
            path = (folder / link["reftarget"]).resolve()
            if path.parent.name == "examples" and path.suffix == ".py":
                target = self.app.builder.get_relative_uri(self.env.docname, name_of(path))
                link.replace_self(nodes.reference("", "", *link.children, refuri=target))


def pages(app: Any) -> Iterator[Page]:
    """A page for each of these files, with its lines in colour."""
    root = Path(app.srcdir).parent
    for path in sorted((root / "examples").glob("*.py")):
        code = app.builder.highlighter.highlight_block(path.read_text(encoding="utf-8"), "python")
        context = {"title": f"{path.parent.name}/{path.name}", "body": "", "display_toc": False}
        context["body"] = f"<h1>{context['title']}</h1>\n{code}"
        yield name_of(path), context, "page.html"


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_transform(LinkSources)
    app.connect("html-collect-pages", pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
