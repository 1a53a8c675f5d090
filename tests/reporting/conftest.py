"""A network trained once, the report on it, and a strict reader of pages."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest

import tinygrad_mlp as tg

VOID = {"meta", "link", "img", "br", "input", "hr"}


class Element:
    """An element of a page: tag, attributes, and what is in it."""

    def __init__(self, tag, attributes):
        self.tag, self.attributes = tag, attributes
        self.children = []

    def all(self, tag=None, **attributes):
        """All elements below, in order, of a tag and with attributes."""
        found = []
        for child in self.children:
            if isinstance(child, Element):
                wanted = attributes.items() <= child.attributes.items()
                found += [child] * (tag in (None, child.tag) and wanted)
                found += child.all(tag, **attributes)
        return found

    def one(self, tag=None, **attributes):
        """The only such element."""
        (found,) = self.all(tag, **attributes)
        return found

    @property
    def text(self):
        """All text, in order."""
        return "".join(c if isinstance(c, str) else c.text for c in self.children)

    @property
    def words(self):
        """All text, with single spaces."""
        return " ".join(self.text.split())

    def cells(self):
        """The cells of a table's body, as text."""
        rows = (self.all("tbody") or [self])[0].all("tr")
        return [[cell.words for cell in row.all("td")] for row in rows]

    def facts(self):
        """A list of names and facts."""
        return {div.one("dt").words: div.one("dd").words for div in self.one("dl").all("div")}


class Reader(HTMLParser):
    """Reads a page into elements, and refuses one whose tags do not match."""

    def __init__(self):
        super().__init__()
        self.root = Element("page", {})
        self.open = [self.root]

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), f"<{tag}> has an attribute twice: {names}"
        element = Element(tag, dict(attrs))
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open[-1].tag == tag, f"</{tag}> ends <{self.open[-1].tag}> at {self.getpos()}"
        self.open.pop()

    def handle_data(self, data):
        self.open[-1].children.append(data)


def read(text):
    """A page as a tree of elements."""
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == [reader.root], f"<{reader.open[-1].tag}> is left open"
    return reader.root


@pytest.fixture(scope="session")
def read_page():
    """``read_page(path)``: a report as a tree of elements."""
    return lambda path: read(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def trained():
    """A small network, trained on digits, and what it was not trained on."""
    digits = tg.data.load("digits")
    split = tg.data.preprocess(digits.X, digits.labels, rng=np.random.default_rng(0))
    network = tg.NeuralNetwork([64, 16, 10], monitor=lambda record: "", plot=False, seed=0)
    network.n_save = 400
    X, Y = split.X_validation, split.Y_validation
    network.train(split.X[:800], split.Y[:800], 2, X, Y)
    images = digits.X[split.order[len(split.X) :]]
    return SimpleNamespace(network=network, X=X, Y=Y, images=images)


@pytest.fixture(scope="session")
def made(trained, tmp_path_factory):
    """The path of the report on it."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    tg.report(
        path, trained.network, trained.X, trained.Y, images=trained.images,
        title="Digits & <network>", settings={"seed": 0, "note": "<b>bold</b>"},
    )
    return path


@pytest.fixture(scope="session")
def page(made, read_page):
    """That report as a tree of elements."""
    return read_page(made)


@pytest.fixture
def report_on(tmp_path, read_page):
    """``report_on(model, X, Y, ...)``: the report as a tree of elements."""

    def make(*args, **options):
        path = tmp_path / "report.html"
        tg.report(path, *args, **options)
        return read_page(path)

    return make


@pytest.fixture(scope="session")
def addresses():
    """``addresses(page)``: everything in a page that a browser would fetch or go to."""

    def find(page):
        for element in page.all():
            for name, value in element.attributes.items():
                if name in ("href", "xlink:href", "src", "action", "data", "srcset", "poster"):
                    yield value
                yield from re.findall(r"url\(([^)]*)\)", value or "")
            if element.tag == "style":
                yield from re.findall(r"url\(([^)]*)\)|@import (.*)", element.text)

    return find
