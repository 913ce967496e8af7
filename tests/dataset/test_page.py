"""The page of an audit: everything on it, nothing on it runs."""

import importlib
import importlib.util
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lictor.dataset.audit import audit
from lictor.dataset.page import render_page
from lictor.dataset.review import read_verdicts
from lictor.types import Bucket, Example, Message

from .small import CONSTITUTION, example

HOSTILE = "</script><script>document.title = 'run'</script><img src=x onerror=\"document.title = 'run'\">"
BUCKETS: dict[str | None, Bucket] = {rule.id: rule.bucket for rule in CONSTITUTION.rules}


def page(examples: list[Example]) -> str:
    """The page of these."""
    return render_page("bells", examples, audit(examples, CONSTITUTION), ["a reason"], buckets=BUCKETS)


def data(html: str) -> dict[str, object]:
    """What the page's script reads."""
    found = re.search(r'type="application/json">(.*?)</script>', html)
    assert found
    return json.loads(found[1])


def test_the_page_holds_examples_and_reasons_and_loads_nothing() -> None:
    """Every example with its history, the reasons, and no address of anything outside."""
    child = replace(example("child", "Hello", parent="root", family="f"), transforms=("base64",))
    html = page([example("root", family="f"), child])
    held = data(html)

    assert held["reasons"] == ["a reason"]
    assert [(row["id"], row["parent"]) for row in held["examples"]] == [("root", None), ("child", "root")]  # type: ignore[index]
    assert "http://" not in html.replace("http-equiv", "")
    assert "https://" not in html
    assert "default-src 'none'" in html


def test_what_is_flagged_is_on_the_page_whatever_its_size() -> None:
    """Of more examples than fit, those that leak or refuse come first."""
    many = [example(str(i), f"Tell me of bell {i} and tower {i * 7}") for i in range(2050)]
    refusal = example("refusal", "Really?", "I'm sorry, but I can't help with that.")
    held = data(page([*many, refusal]))

    rows = held["examples"]
    assert isinstance(rows, list)
    assert len(rows) == 2000
    assert [row["flags"] for row in rows if row["id"] == "refusal"] == [["refusal"]]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_text_of_an_example_is_shown_and_never_run(tmp_path: Path) -> None:
    """In a real browser, markup within an example stays text."""
    (tmp_path / "page.html").write_text(page([replace(example("x"), messages=(Message("user", HOSTILE),))]))
    command = [
        "chromium",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--dump-dom",
        f"{tmp_path.as_uri()}/page.html",
    ]

    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout  # noqa: S603 -- fixed command

    assert "<title>Audit of bells</title>" in shown
    assert "&lt;/script&gt;&lt;script&gt;" in shown.partition("<main")[2]


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("chromium") is None or importlib.util.find_spec("playwright") is None,
    reason="needs chromium and playwright",
)
def test_a_reader_gives_verdicts_on_a_sample_and_saves_them(tmp_path: Path) -> None:
    """A click marks an example, another one takes it back, and what is saved can be read."""
    many = [example(f"e{i}", f"Tell me of bell {i} and tower {i * 7}") for i in range(40)]
    html = render_page("bells", many, audit(many, CONSTITUTION), [], buckets=BUCKETS, sample=5)
    (tmp_path / "page.html").write_text(html)
    playwright: Any = importlib.import_module("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        page.goto((tmp_path / "page.html").as_uri())
        cards = page.locator("article")
        assert cards.count() == 5
        for at, verdict in enumerate(("right", "wrong label", "unusable")):
            cards.nth(at).get_by_role("button", name=verdict).click()
        cards.nth(2).get_by_role("button", name="unusable").click()
        assert "read so far 2 of 5: 1 right, 1 wrong label, 0 unusable" in page.locator("#review").inner_text()
        with page.expect_download() as saved:
            page.get_by_role("link", name="save verdicts.json").click()
        saved.value.save_as(tmp_path / "verdicts.json")
        browser.close()

    held = data(html)["examples"]
    assert isinstance(held, list)
    assert read_verdicts(tmp_path / "verdicts.json") == {held[0]["id"]: "right", held[1]["id"]: "wrong label"}
