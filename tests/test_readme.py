"""The README in both places: links lead somewhere, and programs print what stands below them."""

from __future__ import annotations

import re
import runpy
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from tests import child

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(
    r"^```python\n(.*?)^```\n+```text\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
ADDRESS = "https://code.invalid/someone/tinygrad_mlp/blob/HEAD/"
NUMBER = re.compile(r"\d+\.\d+(?:e-?\d+)?")


class Links(HTMLParser):
    """Collects where links and pictures of a page lead."""

    def __init__(self, markdown):
        super().__init__()
        self.links, self.pictures = [], []
        self.feed(MarkdownIt().render(markdown))

    def handle_starttag(self, tag, attrs):
        places = {"a": (self.links, "href"), "img": (self.pictures, "src")}
        if tag in places:
            found, name = places[tag]
            found.append(dict(attrs)[name])


@pytest.fixture(scope="module")
def packaged(tmp_path_factory):
    """The README as the package index would show it, with an address in pyproject.toml."""
    hatch = pytest.importorskip(
        "hatch_fancy_pypi_readme", reason="hatch-fancy-pypi-readme is not installed")
    folder = tmp_path_factory.mktemp("package")
    shutil.copy(ROOT / "README.md", folder)
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    before, line, after = settings.partition(r"replacement = '](\1)'")
    assert line, "the last substitution of the README must hold the one address"
    new = line.replace("](", f"]({ADDRESS}")
    (folder / "pyproject.toml").write_text(before + new + after, encoding="utf-8")
    done = child.python("-m", hatch.__name__, cwd=folder, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def lead_somewhere(links):
    """Fails for a path from the root of the project at which there is nothing."""
    assert links
    for link in links:
        assert (ROOT / link.partition("#")[0]).exists(), f"{link} leads nowhere"


def test_links_in_the_repository_are_relative_and_lead_somewhere():
    page = Links(README)
    lead_somewhere(page.pictures)
    lead_somewhere([link for link in page.links if not link.startswith("https://")])


def test_links_on_the_package_index_are_addresses_of_the_same_files(packaged):
    page, here = Links(packaged), Links(README)
    assert all(link.startswith("https://") for link in page.links + page.pictures)
    assert [link.removeprefix(ADDRESS) for link in page.links] == here.links
    ends = [picture.removeprefix(ADDRESS) for picture in page.pictures]
    assert ends == [f"{picture}?raw=true" for picture in here.pictures]


def test_the_package_index_shows_the_same_text_and_code(packaged):
    def code(text):
        return re.findall(r"```.*?```", text, re.DOTALL)

    assert code(packaged) == code(README)
    assert packaged.replace(ADDRESS, "").replace("?raw=true", "").strip() == README.strip()


@pytest.mark.parametrize(("program", "printed"), PROGRAMS, ids=["build", "check", "extend"])
def test_a_tour_is_a_short_program_that_prints_what_is_shown(
    program, printed, tmp_path, capsys, unhurried
):
    import tinygrad_mlp as tg

    assert len([line for line in program.splitlines() if line.strip()]) <= 16
    file = tmp_path / "tour.py"
    file.write_text(program, encoding="utf-8")
    operations = dict(tg.OPS)
    try:
        runpy.run_path(str(file), run_name="__main__")
    finally:
        tg.OPS.clear()
        tg.OPS.update(operations)
    out = capsys.readouterr().out

    assert NUMBER.sub("#", out).strip() == NUMBER.sub("#", printed).strip()
    found, shown = (list(map(float, NUMBER.findall(text))) for text in (out, printed))
    assert found == pytest.approx(shown, rel=0.05)
