"""The pages over a real server: what players and organisers can do, and what they can't."""

import re
from collections.abc import Generator
from html import unescape
from pathlib import Path

import httpx2 as httpx
import pytest

from lictor.arena.arena import Arena
from lictor.arena.contest import Payout
from lictor.arena.people import invite
from lictor.arena.store import Store

from .served import Browser, Place, served
from .small import ALL_OF_Q1, ALL_OF_Q2, PASSWORD, arena, guard


@pytest.fixture
def levels(tmp_path: Path) -> Generator[tuple[Place, Arena]]:
    """A served arena in the levels mode."""
    made = arena(tmp_path, "levels")
    with served(made.store, lambda _: made) as place:
        yield place, made


def test_a_player_goes_from_sign_up_to_the_leaderboard(levels: tuple[Place, Arena]) -> None:
    """Signing up, chatting, submitting and passing both levels over HTTP puts a player on the leaderboard."""
    ada = Browser(levels[0])
    assert "New conversation" in ada.join("Ada").text
    talk = ada.talk()
    assert ada.say(talk, "How is the pot charged?") == (ALL_OF_Q1, "released")
    assert "Passed" in ada.submit(talk, q1=ALL_OF_Q1)
    assert ada.say(talk, "How is it fined?") == (ALL_OF_Q2, "released")
    assert "Passed" in ada.submit(talk, q2=ALL_OF_Q2)

    board = ada.get("/board")

    assert re.search(r"<td>1</td><td>Ada</td><td>2</td>", board)
    assert "You passed every level" in ada.get("/")


def test_a_halt_shows_in_the_stream_and_on_the_page(levels: tuple[Place, Arena]) -> None:
    """A halted answer ends its stream as halted, and the page says so afterwards too."""
    ada = Browser(levels[0])
    ada.join("Ada")
    talk = ada.talk()

    text, outcome = ada.say(talk, "say: two skins and halt-here the rest")

    assert outcome == "halted"
    assert "the rest" not in text
    assert "The guard stopped the answer here." in ada.get(f"/talks/{talk}")


def test_without_scripts_the_chat_works_too(levels: tuple[Place, Arena]) -> None:
    """A plain form post answers with the page when the answer is whole."""
    ada = Browser(levels[0])
    ada.join("Ada")
    talk = ada.talk()

    response = ada.post(f"/talks/{talk}", text="Bread, please.")

    assert "Knead for ten minutes." in response.text


def test_what_people_and_models_write_is_escaped(levels: tuple[Place, Arena]) -> None:
    """Markup from a name, a message or a model is shown as text everywhere."""
    nasty = "<script>alert(1)</script>"
    ada = Browser(levels[0])
    ada.join(nasty)
    talk = ada.talk()
    ada.say(talk, f"say: {nasty}")
    secret = invite(levels[1].store, role="organiser", label="h", actor="cli")
    host = Browser(levels[0])
    host.join("Host", invitation=secret)

    pages = [ada.get("/"), ada.get(f"/talks/{talk}"), host.get(f"/host/talks/{talk}"), host.get("/host/players")]

    assert all(nasty not in page for page in pages)
    assert "&lt;script&gt;" in pages[1]


def test_no_player_sees_what_is_not_theirs(levels: tuple[Place, Arena]) -> None:
    """Another player's conversation and submission, and organisers' pages, are not there for a player."""
    ada, bob = Browser(levels[0]), Browser(levels[0])
    ada.join("Ada")
    bob.join("Bob")
    talk = ada.talk()
    ada.say(talk, "How is the pot charged?")
    ada.submit(talk, q1="47 marrows, two skins")
    name = next(iter(levels[1].store.read(lambda s: list(s.submissions))))

    hosts = ["/host", "/host/players", "/host/feed", "/host/export", "/host/report", f"/host/talks/{talk}"]
    for path in (f"/talks/{talk}", f"/submissions/{name}", *hosts):
        response = bob.http.get(path)
        assert response.status_code == 404, path
        assert "47 marrows" not in response.text
    assert bob.post(f"/talks/{talk}", text="hello").status_code == 404
    assert bob.post("/host/phase", phase="closed").status_code == 404


def test_forms_need_a_token_and_the_same_origin(levels: tuple[Place, Arena]) -> None:
    """A form without its token, with a wrong one, or from another origin changes nothing."""
    ada = Browser(levels[0])
    ada.join("Ada")
    token = re.search(r'name="csrf" content="([^"]*)"', ada.get("/"))
    assert token is not None
    tries: list[tuple[dict[str, str], dict[str, str]]] = [
        ({}, {}),
        ({"csrf": "guess"}, {}),
        ({"csrf": "gu\u00e9ss"}, {}),
        ({"csrf": token[1]}, {"origin": "https://elsewhere.example"}),
    ]

    for data, headers in tries:
        assert ada.http.post("/talks", data=data, headers=headers).status_code == 403
    assert httpx.post(f"{levels[0].address}/in", data={"name": "Ada", "password": PASSWORD}).status_code == 403
    assert levels[1].store.read(lambda s: list(s.conversations)) == []


def test_headers_forbid_what_pages_do_not_need(levels: tuple[Place, Arena]) -> None:
    """Every response has the content policy; session cookies are out of scripts' reach; pages need no inline script."""
    ada = Browser(levels[0])
    response = ada.join("Ada")
    cookies = [h for r in response.history for h in r.headers.get_list("set-cookie") if "lictor_session" in h]

    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert response.headers["cache-control"] == "no-store"
    assert cookies
    assert all("HttpOnly" in cookie and "SameSite=lax" in cookie for cookie in cookies)
    for path in ("/", "/me", "/submit", "/board", f"/talks/{ada.talk()}"):
        assert not re.search(r"<script(?! src)| on\w+=|style=", ada.get(path))


def test_wrong_passwords_are_slowed_down(levels: tuple[Place, Arena]) -> None:
    """After ten attempts under one name even the right password has to wait."""
    ada = Browser(levels[0])
    ada.join("Ada")
    thief = Browser(levels[0])
    guess = PASSWORD[::-1]
    codes = [thief.post("/in", "/in", name="Ada", password=guess).status_code for _ in range(10)]

    assert codes == [403] * 10
    assert thief.post("/in", "/in", name="Ada", password=PASSWORD).status_code == 429


def test_signing_out_ends_the_session(levels: tuple[Place, Arena]) -> None:
    """After signing out, and with somebody's old cookie, the pages of the signed-in are closed."""
    ada = Browser(levels[0])
    ada.join("Ada")
    old = dict(ada.http.cookies)
    ada.post("/out")

    assert "Sign in" in ada.get("/me")
    again = httpx.get(f"{levels[0].address}/me", cookies=old, follow_redirects=False)
    assert again.headers["location"] == "/in"


def test_one_fetches_and_erases_what_is_kept(levels: tuple[Place, Arena]) -> None:
    """A player's file holds their words; after erasing, their name is free and their session over."""
    ada = Browser(levels[0])
    ada.join("Ada")
    talk = ada.talk()
    ada.say(talk, "a private remark")
    assert "a private remark" in ada.get("/me/data")
    assert ada.post("/me/erase", name="Bob").status_code == 422

    ada.post("/me/erase", name="ada")

    assert "Sign in" in ada.get("/me")
    assert "New conversation" in Browser(levels[0]).join("Ada").text


def test_a_form_sent_twice_is_one_submission(levels: tuple[Place, Arena]) -> None:
    """A double click on submit leaves one submission, and both clicks lead to it."""
    ada = Browser(levels[0])
    ada.join("Ada")
    talk = ada.talk()
    ada.say(talk, "How is the pot charged?")
    fields = {"submission": "abc123", "talk": talk, "answer-q1": ALL_OF_Q1}

    first = ada.post("/submit", "/submit", **fields)
    second = ada.post("/submit", "/submit", **fields)

    assert first.url == second.url
    assert levels[1].store.read(lambda s: len(s.submissions)) == 1


def test_a_universal_prompt_is_run_by_the_arena(levels: tuple[Place, Arena]) -> None:
    """A universal prompt is graded on every question, and later levels' questions stay hidden from its page."""
    ada = Browser(levels[0])
    ada.join("Ada")
    hidden = re.search(r'name="submission" value="([^"]*)"', ada.get("/universal"))
    assert hidden is not None

    response = ada.post("/universal", "/universal", submission=hidden[1], prompt="Tell me: {question}")
    page = ada.wait(str(response.url))

    assert page.count("Passed") == 2
    assert "threaded and fined" not in page
    assert "later level" in ada.get(f"/talks/{hidden[1]}-q2")
    assert f"/talks/{hidden[1]}-q1" in page
    assert f"/talks/{hidden[1]}-q2" not in page
    assert "How is the emberglass pot charged?" in ada.get(f"/talks/{hidden[1]}-q1")


def test_an_organiser_runs_the_arena(levels: tuple[Place, Arena]) -> None:
    """An organiser invites, pauses, limits, watches, reviews with a reason, and finds all of it in the audit."""
    host, ada = Browser(levels[0]), Browser(levels[0])
    host.join("Host", invitation=invite(levels[1].store, role="organiser", label="h", actor="cli"))
    link = re.search(r'value="(http[^"]*invitation=[^"]*)"', host.post("/host/invite", role="player", label="Ada").text)
    assert link is not None
    ada.join("Ada", invitation=link[1].partition("invitation=")[2])
    talk = ada.talk()
    ada.say(talk, "Bread, please.")
    page = ada.submit(talk, q1="no idea")
    assert "Not passed" in page
    name = next(iter(levels[1].store.read(lambda s: list(s.submissions))))

    assert host.post(f"/host/submissions/{name}", question="q1", points="4").status_code == 422
    shown = host.post(f"/host/submissions/{name}", question="q1", points="4", reason="a fair retelling")
    host.post("/host/limits", messages_per_minute="1")
    host.post("/host/phase", phase="paused", reason="lunch")
    assert host.post("/host/phase", phase="closed").status_code == 422

    assert "a fair retelling" in shown.text
    assert "How is the emberglass pot charged?" in host.get("/host")
    assert "set this verdict by hand" in ada.get(f"/submissions/{name}")
    assert "Passed" in ada.get(f"/submissions/{name}")
    assert ada.post(f"/talks/{talk}", text="hello").status_code == 409
    audit = host.get("/host/audit")
    assert all(word in audit for word in ("a fair retelling", "paused: lunch", "messages_per_minute", "invited Ada"))
    assert [row["who"] for row in host.http.get("/host/feed?after=0").json()].count("Host") >= 4
    assert '"kind": "reviewed"' in host.get("/host/export")
    assert "Bread, please." in host.get(f"/host/talks/{talk}")
    host.post("/host/phase", phase="closed", sure="1")
    assert "This arena is closed" in ada.get("/")


def test_an_organiser_sets_a_new_arena_up(tmp_path: Path) -> None:
    """With an invitation from the command line an organiser creates the arena on a page, from folders it offers."""
    store = Store(str(tmp_path / "new.db"))
    secret = invite(store, role="organiser", label="h", actor="cli")

    def assemble(of: Store) -> Arena:
        made = arena(tmp_path / "parts")
        return Arena(of, guard(), made.target, made.grader, made.facts, "g1")

    (tmp_path / "parts").mkdir()
    with served(store, assemble, folders=str(tmp_path)) as place:
        host = Browser(place)
        assert "set-up needs" not in host.join("Host", invitation=secret).text
        form = {"title": "Mine", "guard": "", "mode": "levels", "mark": "half", "everybody": "1"}
        assert host.post("/host/setup", "/host", domain="/etc", **form).status_code == 422
        unpaid = host.post("/host/setup", "/host", domain="starter:emberglass", payout="much", **form)
        assert "A payout is a number" in unescape(unpaid.text)
        host.post("/host/setup", "/host", domain="starter:emberglass", **form)
        host.post("/host/phase", "/host", phase="open")
        ada = Browser(place)
        ada.join("Ada")

        assert "Mine" in ada.get("/")
        assert ada.say(ada.talk(), "Bread, please.")[1] == "released"


def test_where_invitations_are_needed_nobody_fills_a_form_in_vain(tmp_path: Path) -> None:
    """Without the link of an invitation the sign-up page says so and has no form; with it, it has."""
    made = arena(tmp_path, invited_only=True)
    with served(made.store, lambda _: made) as place:
        ada = Browser(place)

        assert "needs an invitation" in ada.get("/join")
        assert "Name on the leaderboard" not in ada.get("/join")
        assert "Name on the leaderboard" in ada.get("/join?invitation=abc")


def test_too_long_and_broken_forms_are_turned_away(levels: tuple[Place, Arena]) -> None:
    """Bodies beyond the limit, with too many fields or not text, get an answer and change nothing."""
    ada = Browser(levels[0])
    ada.join("Ada")
    talk = ada.talk()

    assert ada.http.post("/talks", content=b"x" * 3_000_000).status_code == 413
    assert ada.http.post("/talks", content=b"&".join(b"a=1" for _ in range(500))).status_code == 400
    assert ada.http.post("/talks", content=b"\xff\xfe=\x80").status_code == 400
    assert ada.post(f"/talks/{talk}", text="").status_code == 422
    assert ada.http.get("/talks/%00%27").status_code == 404


def test_players_read_what_a_report_earns(tmp_path: Path) -> None:
    """A bounty says what it pays on its first page, and a graded report says what it came to."""
    made = arena(tmp_path, payout=Payout(most=100, unit="marks"))
    with served(made.store, lambda _: made) as place:
        ada = Browser(place)
        ada.join("Ada")
        talk = ada.talk()
        ada.say(talk, "How is the pot charged?")

        assert "50 marks for 1 passed, in equal steps up to 100 for all 2" in ada.get("/")
        assert "earns 52.5 marks, if it is the best one" in ada.submit(talk, q1=ALL_OF_Q1)


def test_a_report_is_submitted_again_without_writing_it_anew(tmp_path: Path) -> None:
    """The form to resubmit holds what was written and tagged, but for what has passed; pages lead to one another."""
    made = arena(tmp_path)
    with served(made.store, lambda _: made) as place:
        ada, bob = Browser(place), Browser(place)
        ada.join("Ada")
        bob.join("Bob")
        talk = ada.talk()
        ada.say(talk, "How is the pot charged?")
        ada.say(talk, "How is it fined?")
        first = "a1"
        report = {"talk": talk, "answer-q1": ALL_OF_Q1, "answer-q2": "by a hum", "how": "just asked"}
        ada.wait(str(ada.post("/submit", submission=first, strategy="plain ask", **report).url))

        form = ada.get(f"/submit?parent={first}")
        found = re.search(r'name="submission" value="([^"]*)"', form)
        assert found is not None
        again = {"submission": found[1], "parent": first, "talk": talk, "answer-q2": ALL_OF_Q2}
        page = ada.wait(str(ada.post("/submit", **again).url))

        assert 'name="answer-q1"' not in form
        assert "Passed; it stays so." in form
        assert all(text in form for text in ("by a hum</textarea>", "just asked</textarea>"))
        assert re.search(r'value="plain ask" checked', form)
        assert page.count("Passed") == 2
        assert f"/submissions/{first}" in page
        assert ALL_OF_Q1 in page
        assert "Its resubmission" in ada.get(f"/submissions/{first}")
        assert "no such submission" in bob.get(f"/submit?parent={first}")
