"""The site: the pages of docs/ build without a warning, and open from disk without a network."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(path.relative_to(DOCS).with_suffix("") for path in DOCS.rglob("*.md"))


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The folder of the built site. Warnings, such as a link that leads nowhere, are errors."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-E"]
    command += ["-d", str(folder / "doctrees"), str(DOCS), str(folder / "html")]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return folder / "html"


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
