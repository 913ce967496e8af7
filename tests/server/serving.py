"""The guarded endpoint on a free port, in front of a scripted upstream."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from lictor.constitution import Constitution, Rule
from lictor.dataset.naming import RuleNamer, fit_namer
from lictor.guard import Guard
from lictor.server.app import create_app
from lictor.server.connection import bounded_by
from lictor.server.scoring import ScoringThread
from lictor.server.service import Service
from lictor.server.settings import ServerSettings
from lictor.server.shelf import Shelf
from lictor.server.upstream import HttpUpstream
from lictor.testing import KeywordInputScorer, KeywordStreamScorer
from lictor.testing.upstreams import LEAK, FakeUpstream, running
from lictor.types import Policy

POLICY = Policy(input_threshold=0.0, output_threshold=0.0, warmup=(4, 8))


@dataclass(frozen=True)
class Guarded:
    """A guarded endpoint with its upstream."""

    url: str
    service: Service
    upstream: FakeUpstream
    scorer: KeywordStreamScorer | None = None


def keyword_guard(policy: Policy = POLICY, *, words: Sequence[str] = ("melt",), version: str = "v1") -> Guard:
    """A guard that minds a few words."""
    return Guard(KeywordInputScorer(*words), KeywordStreamScorer(*words), policy, version=version)


def kitchen_namer() -> RuleNamer:
    """Tells a rule about melting from one about selling."""
    rules = tuple(Rule(name, text, "restricted") for name, text in (("melting", LEAK), ("selling", "Sell the ash.")))
    namer = fit_namer((), Constitution(1, "kitchen", "", rules))
    assert namer
    return namer


@contextmanager
def guarded(
    upstream: FakeUpstream | None = None,
    guard: Guard | None = None,
    *,
    reaching: dict[str, Any] | None = None,
    **settings: Any,
) -> Generator[Guarded]:
    """The guarded endpoint in front of a scripted upstream; `reaching` are the settings' upstream section."""
    upstream = upstream or FakeUpstream()
    with running(upstream.app()) as upstream_url:
        section = {"url": upstream_url + "/v1"} | (reaching or {})
        blocking = {"refusal_wait_ms": 200} | settings.pop("blocking", {})
        found = ServerSettings.model_validate({"upstream": section, "blocking": blocking} | settings)
        shelf = Shelf(found, lambda _: keyword_guard())
        shelf.put(guard or keyword_guard(), "emberglass")
        service = Service(found, shelf, ScoringThread(), HttpUpstream(found.upstream, "secret"))
        with running(create_app(service), http=bounded_by(found.limits)) as url:
            yield Guarded(url, service, upstream)
