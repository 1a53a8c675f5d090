"""The examples and the READMEs of folders as pages: links to them lead to their text, in colour."""

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


def shown(root: Path) -> list[Path]:
    """Return the files that have such a page."""
    return [*sorted((root / "examples").glob("*.py")), *sorted(root.glob("*/**/README.md"))]


class LinkSources(SphinxTransform):
    """Turn what would be a download, or a link to a document, into a link to its page."""

    default_priority = 500

    def apply(self, **kwargs: Any) -> None:
        docs = Path(self.env.srcdir)
        folder = (docs / self.env.docname).parent
        names = {path.with_suffix(""): name_of(path) for path in shown(docs.parent)}
        for kind in (addnodes.download_reference, addnodes.pending_xref):
            for link in list(self.document.findall(kind)):
                path = (folder / link["reftarget"]).resolve()
                name = names.get(path.parent / path.stem)
                if name is not None:
                    target = self.app.builder.get_relative_uri(self.env.docname, name)
                    link.replace_self(nodes.reference("", "", *link.children, refuri=target))


def pages(app: Any) -> Iterator[Page]:
    """A page for each of these files, with its lines in colour."""
    root = Path(app.srcdir).parent
    for path in shown(root):
        language = "python" if path.suffix == ".py" else "markdown"
        code = app.builder.highlighter.highlight_block(path.read_text(encoding="utf-8"), language)
        context = {"title": f"{path.parent.name}/{path.name}", "body": "", "display_toc": False}
        context["body"] = f"<h1>{context['title']}</h1>\n{code}"
        yield name_of(path), context, "page.html"


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_transform(LinkSources)
    app.connect("html-collect-pages", pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
