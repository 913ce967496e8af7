"""A player and an organiser use the arena's pages in a real browser."""

import importlib
import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lictor.arena.arena import Arena
from lictor.arena.people import invite

from .served import Place, served
from .small import ALL_OF_Q1, PASSWORD, arena

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or ""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not CHROMIUM or importlib.util.find_spec("playwright") is None, reason="needs chromium and playwright"
    ),
]
Page = Any


@pytest.fixture(params=[("light", 1000), ("dark", 360)], ids=["light desk", "dark phone"])
def page(request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of a headless Chromium; errors on its console fail the test."""
    playwright: Any = importlib.import_module("playwright.sync_api")
    scheme, width = request.param
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        opened: Page = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 740}).new_page()
        opened.set_default_timeout(8000)
        errors: list[str] = []

        def note(said: Any) -> None:
            if said.type == "error":
                errors.append(said.text)

        def note_raised(raised: Any) -> None:
            errors.append(str(raised))

        opened.on("console", note)
        opened.on("pageerror", note_raised)
        yield opened
        browser.close()
    assert errors == []


@pytest.fixture
def levels(tmp_path: Path) -> Iterator[tuple[Place, Arena]]:
    """A served arena in the levels mode."""
    made = arena(tmp_path, "levels")
    with served(made.store, lambda _: made) as place:
        yield place, made


def sign_up(page: Page, place: Place, name: str, invitation: str = "") -> None:
    """Fills the form by its labels, as a screen reader would name them."""
    page.goto(f"{place.address}/join?invitation={invitation}")
    page.get_by_label("Name on the leaderboard").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("I accept the terms").check()
    page.get_by_role("button", name="Sign up").click()


def test_a_level_is_passed_with_the_keyboard(levels: tuple[Place, Arena], page: Page) -> None:
    """Sign-up, a streamed answer, a visible halt, a submission and its pass, with nothing wider than the screen."""
    sign_up(page, levels[0], "Ada")
    page.get_by_role("button", name="New conversation").press("Enter")
    field = page.get_by_label("Your message")
    field.fill("say: <img src=x onerror=alert(1)> halt-here and more")
    field.press("Control+Enter")
    page.get_by_text("The guard stopped the answer here.").wait_for()
    assert page.locator("#turns img").count() == 0
    assert "and more" not in page.locator(".delivered").inner_text()

    field.fill("How is the pot charged?")
    field.press("Control+Enter")
    page.get_by_text("two skins").wait_for()
    assert page.evaluate("document.activeElement.id") == "text"
    page.get_by_role("link", name="Submit from here").press("Enter")
    page.get_by_label("How is the emberglass pot charged?").fill(ALL_OF_Q1)
    page.get_by_role("button", name="Submit").press("Enter")
    page.get_by_text("Passed", exact=True).wait_for()
    page.get_by_role("link", name="Leaderboard").click()
    page.get_by_role("cell", name="Ada").wait_for()

    for path in ("/", "/board", "/me", "/submit"):
        page.goto(levels[0].address + path)
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), path
        unnamed = "i => !i.labels?.length && !i.getAttribute('aria-label') && i.type !== 'hidden'"
        assert page.evaluate(f"[...document.querySelectorAll('input, textarea, select')].filter({unnamed}).length") == 0


def test_an_organiser_watches_and_reads_the_report(levels: tuple[Place, Arena], page: Page) -> None:
    """What happens appears on the page that watches, and the report's page shows its plots."""
    sign_up(page, levels[0], "Host", invite(levels[1].store, role="organiser", label="h", actor="cli"))
    page.goto(f"{levels[0].address}/host/watch")
    page.get_by_text("joined").first.wait_for()
    page.goto(f"{levels[0].address}/host/report")

    assert page.locator("svg[role=img]").count() >= 2
    assert "active players" in page.content()
