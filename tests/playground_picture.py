"""Draws docs/pictures/playground.png: the playground in a browser, after some steps.

``python -m tests.playground_picture`` draws it anew; it needs playwright and Chromium.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from PIL import Image

from tinygrad_mlp.playground import play

PICTURE = Path(__file__).parents[1] / "docs" / "pictures" / "playground.png"


def main() -> None:
    from playwright.sync_api import sync_playwright

    playground = play(data="spirals", hidden=(6, 6))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 760}, color_scheme="light")
        page.goto(playground.url)
        status = page.get_by_role("status").first
        status.filter(has_text="step 0").wait_for()
        for epoch in range(1, 41):
            page.keyboard.press("e")
            status.filter(has_text=f"epoch {epoch}.0").wait_for()
        page.screenshot(path=PICTURE)
        Image.open(PICTURE).convert("RGB").quantize(128).save(PICTURE, optimize=True)
        browser.close()
    playground.close()


if __name__ == "__main__":
    main()
