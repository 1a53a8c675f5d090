"""The documentation is complete, and its links lead somewhere. (Its code runs as tests, too.)"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests import architecture
from tests.documents import TOGETHER, together

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
GUIDES = sorted((ROOT / "tinygrad_mlp").rglob("README.md"))
"""The README of each folder that has one."""

MODULES = [m for top in ("tinygrad_mlp", "tests", "examples") for m in ROOT.glob(f"{top}/**/*.py")]

PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md"), *GUIDES])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def name_of(path):
    return str(path.relative_to(ROOT))


def prose(page):
    return CODE.sub("", page.read_text(encoding="utf-8"))


def anchors(page):
    """What a heading is called in a link: small letters, hyphens, no punctuation."""
    headings = re.findall(r"^#+ +(.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_relative_link_leads_to_a_file_and_a_heading(page):
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link} leads nowhere"
        assert not anchor or anchor in anchors(target), f"{link}: no such heading"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_line_of_a_paragraph_begins_like_a_list(page):
    in_paragraph = r"^\w.*\n(?:1[.)]|[-+*]|>) .*"
    assert re.findall(in_paragraph, CODE.sub("`code`", page.read_text(encoding="utf-8")),
                      re.MULTILINE) == []


@pytest.mark.parametrize(
    "path",
    [*sorted((ROOT / "examples").glob("*.py")), *sorted((DOCS / "decisions").glob("*.md"))],
    ids=name_of,
)
def test_index_lists_every_example_and_every_decision(path):
    links = LINK.findall((DOCS / "index.md").read_text(encoding="utf-8"))

    assert path in {(DOCS / link).resolve() for link in links}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_module_of_the_package_that_a_page_names_exists(page):
    if page.parent.name == "decisions" or page.name == "changelog.md":
        return  # they tell of the past
    named = re.findall(r"`((?:tinygrad_mlp/)?(?:\w+/)+\w+\.py)`", page.read_text(encoding="utf-8"))
    assert [name for name in named if not any(file.match(name) for file in MODULES)] == []


@pytest.mark.parametrize("guide", GUIDES, ids=name_of)
def test_the_readme_of_a_folder_names_its_modules_and_no_others(guide):
    named = set(re.findall(r"`((?:\w+/)*\w+\.py)`", guide.read_text(encoding="utf-8")))
    assert [name for name in named if not any(file.match(name) for file in MODULES)] == []

    modules = [path for path in guide.parent.rglob("*.py") if path.name != "__init__.py"]
    if guide.parent.name == "autograd":  # operations are not listed: a block each
        modules = [path for path in modules if "ops" not in path.parts]
    assert [path.name for path in modules if not any(path.match(name) for name in named)] == []


def test_the_picture_of_the_architecture_is_drawn_from_the_code():
    assert architecture.DOT.read_text() == architecture.dot(), "python -m tests.architecture"


@pytest.mark.parametrize("path", sorted((DOCS / "decisions").glob("*.md")), ids=lambda p: p.stem)
def test_decision_states_its_goals_and_what_it_is_not_for(path):
    number = int(path.name[:4])
    text = path.read_text(encoding="utf-8")

    assert text.startswith(f"# {number}. ")
    for part in ("Context", "Goals", "Non-goals", "Decision", "Consequences"):
        assert f"\n## {part}\n" in text


def test_where_several_processes_run_tests_one_has_all_examples_of_a_page():
    assert together("docs/saving.md::line:7,column:1") == "docs/saving.md"
    assert together("tests/test_module.py::test_a[1]") == "tests/test_module.py::test_a[1]"
    for file in TOGETHER:
        assert together(f"{file}::test") == file
        assert (ROOT / file).exists()
