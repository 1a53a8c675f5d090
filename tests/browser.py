"""A browser for the tests of pages; without one, they are skipped with the reason."""

import shutil
from pathlib import Path

import pytest

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium, that of the system or playwright's own."""
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed (pip install playwright)")
    with sync_api.sync_playwright() as playwright:
        program = next(filter(None, map(shutil.which, PROGRAMS)), None)
        if program is None and not Path(playwright.chromium.executable_path).exists():
            pytest.skip(
                "no Chromium was found (apt install chromium, or playwright install chromium)")
        running = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield running
        running.close()
