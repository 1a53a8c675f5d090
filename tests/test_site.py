"""The site: the pages of docs/ build without a warning, and open from disk without a network."""

from __future__ import annotations

import inspect
import json
import re
import shutil
import zlib
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont

import tinygrad_mlp as tg
from tests import child
from tests.browser import browser as browser

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(path.relative_to(DOCS).with_suffix("") for path in DOCS.rglob("*.md"))


# Sphinx builds large trees: the garbage collector would spend a fifth of the time on them.
SPHINX = """
import gc, sys
from sphinx.cmd.build import main
gc.set_threshold(200_000, 20, 100)
sys.exit(main(sys.argv[1:]))
"""


def build(source, folder):
    """Build the site; what Sphinx says of it. Warnings, such as a dead link, are errors."""
    options = ["-W", "--keep-going", "-q", "-E", "-d", folder / "doctrees"]
    return child.python("-c", SPHINX, *options, source, folder / "html", timeout=600)


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The folder of the built site."""
    folder = tmp_path_factory.mktemp("site")
    built = build(DOCS, folder)
    assert built.returncode == 0, built.stderr
    return folder / "html"


@pytest.fixture(scope="session")
def described(site):
    """Everything that the reference describes, from the inventory that Sphinx writes."""
    inventory = (site / "objects.inv").read_bytes().split(b"\n", 4)[4]
    lines = zlib.decompress(inventory).decode().splitlines()
    return {line.split()[0] for line in lines if line.split()[1].startswith("py:")}


def html(site, page):
    return (site / f"{page}.html").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def whole(site):
    """All pages in one string."""
    return "".join(path.read_text(encoding="utf-8") for path in sorted(site.rglob("*.html")))


def test_every_page_is_built_and_in_the_sidebar(site):
    front = html(site, "index")
    for page in PAGES:
        assert (site / f"{page}.html").exists()
        assert page == Path("index") or f'href="{page.as_posix()}.html"' in front


def test_nothing_is_loaded_from_the_network(site, whole):
    for tag in re.findall(r"<(?:script|link|img|iframe|source)\b[^>]*>", whole):
        assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", tag), tag
    for style in site.rglob("*.css"):
        text = style.read_text(encoding="utf-8")
        assert not re.search(r"""(?:@import|url\()\s*["']?(?:https?:)?//""", text), style.name


def test_formulas_are_mathml(site):
    page = html(site, "tutorial")

    assert page.count("<math") > 100
    assert "$" not in re.sub(r"<pre.*?</pre>", "", page, flags=re.DOTALL)


def test_the_font_has_every_character_of_the_formulas(whole):
    font = TTFont(DOCS / "static" / "latin-modern-math-subset.woff")
    formulas = re.findall(r"<math.*?</math>", whole, re.DOTALL)
    shown = set(re.sub(r"<[^>]*>", "", "".join(formulas)).replace("&amp;", "&"))

    assert len(formulas) > 150
    assert not {character for character in shown if ord(character) not in font.getBestCmap()}


def test_examples_that_a_page_links_to_are_pages(site):
    assert 'href="source/examples/xor.html"' in html(site, "index")
    assert "binary_cross_entropy" in html(site, "source/examples/xor")


def test_so_are_the_readmes_of_folders(site):
    assert 'href="source/autograd/README.html"' in html(site, "architecture")
    assert "backward" in html(site, "source/autograd/README")


def public_names():
    """What a user can write after ``tg.`` and after the names of the modules there."""
    modules = [name for name in dir(tg) if inspect.ismodule(getattr(tg, name))]
    for name in {*tg.autograd.__all__, *tg.LOADED_WHEN_USED, *tg.OPS}:
        if name not in modules:
            yield name
    for module in {*tg.LOADED_WHEN_USED, "linalg"} & set(modules):
        yield from (f"{module}.{name}" for name in getattr(getattr(tg, module), "__all__", ()))


def test_reference_describes_every_public_name(described):
    ends = {place.rpartition(".")[2] for place in described}
    names = set(public_names())

    assert len(names) > 200
    assert not {name for name in names if name.rpartition(".")[2] not in ends} - {
        "linalg.LinAlgError", "nn.init", "optim.schedule", "verify.formulas"
    }


def test_every_operation_is_described_by_its_equation(site):
    page = html(site, "reference/functions")

    described = re.findall(r'<dt class="sig [^>]*id="tinygrad_mlp\.(\w+)"', page)
    assert set(tg.OPS) <= set(described)
    assert page.count('class="equation line-block"') >= len(tg.OPS)


def test_equations_of_the_table_of_operations_are_formulas(site):
    page = html(site, "operations")
    tanh = re.search(r"<tr[^>]*><td>(?:(?!<tr).)*?tanh</span>.*?</tr>", page, re.DOTALL).group()

    assert tanh.count("<math") == 2
    assert "<mi>tanh</mi>" in tanh and "<msup><mi>y</mi>" in tanh


@pytest.mark.parametrize("stem", ["gpu", "overfit", "embed"])
def test_the_search_finds_what_people_look_for(site, stem):
    index = (site / "searchindex.js").read_text(encoding="utf-8")
    found = json.loads(index.removeprefix("Search.setIndex(").removesuffix(")"))

    assert stem in found["terms"]


@pytest.mark.parametrize("page", ["index", "tutorial", "how_the_graph_works", "performance"])
def test_no_page_is_wider_than_the_window_and_pictures_fit_its_colours(site, browser, page):
    for width in (400, 1320, 1400):
        shown = browser.new_page(viewport={"width": width, "height": 800}, color_scheme="dark")
        shown.goto((site / f"{page}.html").as_uri())
        root = "document.documentElement"
        assert shown.evaluate(f"{root}.scrollWidth <= {root}.clientWidth"), width
        for picture in shown.locator(".content img").all():
            # Animations of steps have colours of their own for the dark.
            own = "steps" in picture.get_attribute("src")
            assert ("invert" in picture.evaluate("e => getComputedStyle(e).filter")) != own
        shown.close()


MISTAKES = {
    "[a link](nowhere.md)": "'myst' cross-reference target not found: 'nowhere.md'",
    "[an anchor](index.md#nowhere)": "local id not found in doc 'index': 'nowhere'",
    r"$\nosuch$": r"not known in a formula: \nosuch",
    r"$\frac{1$": "braces do not match",
    "{py:exc}`NoSuchError`": "reference target not found: NoSuchError",
}


def test_mistakes_in_a_page_fail_the_build(tmp_path):
    source = tmp_path / "docs"
    source.mkdir()
    for name in ("extensions", "static"):
        shutil.copytree(DOCS / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(DOCS / "conf.py", source)
    (source / "index.md").write_text("\n\n".join(["# A page", *MISTAKES]), encoding="utf-8")
    built = build(source, tmp_path)

    assert built.returncode != 0
    for message in MISTAKES.values():
        assert message in built.stderr
