"""The status page in a real browser."""

import importlib
import importlib.util
import os
import shutil
from typing import Any

import httpx2
import pytest
from tests.server.serving import guarded, kitchen_namer

from lictor.testing.upstreams import LEAK, FakeUpstream, says

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or ""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not CHROMIUM or importlib.util.find_spec("playwright") is None, reason="needs chromium and playwright"
    ),
]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1000), ("dark", 360)])
def test_the_status_page_counts_live(scheme: str, width: int) -> None:
    """A block made while the page is open shows up on it by rule, nothing overflows, and the console stays empty."""
    playwright: Any = importlib.import_module("playwright.sync_api")
    errors: list[str] = []

    def note(said: Any) -> None:
        if said.type == "error":
            errors.append(said.text)

    with guarded(FakeUpstream(says(LEAK))) as server, playwright.sync_playwright() as driver:
        served = server.service.shelf.served
        assert served
        server.service.shelf.put(served.guard, "emberglass", kitchen_namer())
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 740}).new_page()
        page.on("console", note)
        page.goto(server.url + "/")
        assert page.get_by_role("status").text_content() == "Ready"
        assert page.get_by_text("Requests blocked").count() == 0

        body = {"model": "up", "messages": [{"role": "user", "content": "Read to me."}]}
        httpx2.post(server.url + "/v1/chat/completions", json=body)

        page.get_by_role("row", name="Requests blocked 1").wait_for(timeout=15_000)
        page.get_by_role("row", name="melting 1").wait_for(timeout=1_000)
        latest = page.get_by_role("table", name="Latest decisions against a text").get_by_role("row").nth(1)
        told = [latest.get_by_role("cell").nth(at).text_content() for at in (1, 2, 3)]
        assert told == ["blocked", "output", "melting"]
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        browser.close()

    assert errors == []
