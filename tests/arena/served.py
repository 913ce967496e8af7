"""A real server of a small arena on a free port, and players who use it over HTTP."""

import re
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from typing import Any

import httpx2 as httpx

from lictor.arena.arena import Arena
from lictor.arena.store import Store
from lictor.arena.web.app import create_app
from lictor.testing.upstreams import running

from .small import PASSWORD


@dataclass
class Place:
    """Where a server is, and who is connected to it."""

    address: str
    clients: list[httpx.Client] = field(default_factory=list[httpx.Client])


@contextmanager
def served(store: Store, assemble: Callable[[Store], Arena], **options: Any) -> Generator[Place]:
    """A server that runs meanwhile; in the end its clients are closed, then the server, then the store."""
    try:
        with running(create_app(store, assemble, **options)) as address:
            place = Place(address)
            try:
                yield place
            finally:
                for client in place.clients:
                    client.close()
    finally:
        store.close()


class Browser:
    """A player who reads pages and sends forms; keeps cookies, runs no script."""

    def __init__(self, place: Place) -> None:
        self.http = httpx.Client(base_url=place.address, timeout=60, follow_redirects=True)
        place.clients.append(self.http)

    def get(self, path: str) -> str:
        """A page's text."""
        return self.http.get(path).text

    def post(self, path: str, page: str = "/", **fields: str | list[str]) -> httpx.Response:
        """What came of a form, sent with the token of `page`."""
        found = re.search(r'name="csrf" content="([^"]*)"', self.get(page))
        assert found is not None
        return self.http.post(path, data={"csrf": found[1], **fields})

    def join(self, name: str, **more: str) -> httpx.Response:
        """Signs up."""
        return self.post("/join", "/join", name=name, password=PASSWORD, terms="1", consent="1", **more)

    def talk(self) -> str:
        """A new conversation's id."""
        return str(self.post("/talks").url).rpartition("/")[2]

    def say(self, talk: str, text: str) -> tuple[str, str]:
        """What was streamed, and how it ended."""
        csrf = re.search(r'name="csrf" content="([^"]*)"', self.get(f"/talks/{talk}"))
        assert csrf is not None
        delivered, outcome = "", ""
        with self.http.stream(
            "POST", f"/talks/{talk}", data={"csrf": csrf[1], "text": text}, headers={"accept": "text/event-stream"}
        ) as response:
            name = ""
            for line in response.iter_lines():
                if line.startswith("event: "):
                    name = line[7:]
                elif line.startswith("data: ") and name == "text":
                    delivered += httpx.Response(200, content=line[6:]).json()["text"]
                elif line.startswith("data: ") and name == "end":
                    outcome = httpx.Response(200, content=line[6:]).json()["outcome"]
        return delivered, outcome

    def submit(self, talk: str, **answers: str) -> str:
        """The submission's page, once it is graded."""
        page = self.get(f"/submit?talk={talk}")
        hidden = re.search(r'name="submission" value="([^"]*)"', page)
        assert hidden is not None, page
        given = {f"answer-{name}": text for name, text in answers.items()}
        response = self.post("/submit", "/submit", submission=hidden[1], talk=talk, **given)
        return self.wait(str(response.url))

    def wait(self, path: str) -> str:
        """A submission's page, once nothing on it is being graded."""
        for _ in range(1000):
            page = unescape(self.get(path))
            if "Being graded" not in page:
                return page
            time.sleep(0.01)
        raise AssertionError(f"{path} was never graded")
