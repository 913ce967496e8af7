"""Run synthesis: drafts, rewritings, answers, filters; every generator call goes through the cache.

In: a constitution, its material, a chat model (cached, so that a killed run resumes and pays for nothing twice),
a configuration. Out: examples with labels, and a report of what each filter kept. Knows no dataset, no splits.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from lictor.artifacts import fingerprint
from lictor.constitution import Constitution, Rule
from lictor.errors import GenerationError
from lictor.synthesis.answers import answer_prompt, compose_answer, read_answer
from lictor.synthesis.dedupe import keep_distinct
from lictor.synthesis.filters import (
    is_loop,
    is_meta,
    is_refusal,
    may_refuse,
    on_topic_prompt,
    refusal_prompt,
    says_yes,
    shares_words,
)
from lictor.synthesis.material import Material
from lictor.synthesis.queries import (
    Call,
    Query,
    draft_queries,
    generation_prompts,
    read_generated,
    read_rewriting,
    read_twin,
    rewrite_prompt,
    rules_without_asks,
    seed_queries,
    twin_prompt,
)
from lictor.synthesis.variety import coverage
from lictor.synthesis.votes import JUDGES, bears_out, vote_prompt
from lictor.types import ChatModel, Example, Message, Sampling

LEAST_USABLE = 0.2
"""Share of the queries in a trial that must be usable."""

LEAST_QUERIES = 5
"""Queries of a rule, at least; with fewer, some split has none."""

Progress = Callable[[str, int, int], None]
"""Called with a stage's name, requests done, requests in all."""


@dataclass(frozen=True)
class SynthesisConfig:
    """How much to make."""

    per_ask: int = 3
    """Drafts per hand-written ask."""
    queries_per_rule: int = 60
    """Queries the generator is asked for, per rule without asks."""
    rewrites: int = 600
    """Drafts the generator rewrites in another voice, over all rules."""
    answers: int = 900
    """Queries the generator answers, over all rules."""
    composed: int = 400
    """Further queries answered by stringing facts together, over the rules that have facts."""
    twins: int = 0
    """Generated restricted queries that the generator moves across the line, over all rules."""
    votes: int = 0
    """Judges (0 to 3) that must bear out the label of a query a generator wrote, by majority."""
    near_duplicate: float = 0.8
    seed: int = 0


@dataclass
class Report:
    """What came in and what was kept, by filter and by reason."""

    counts: Counter[str] = field(default_factory=Counter[str])
    coverage: Mapping[str, Mapping[str, Mapping[str, int]]] = field(default_factory=dict)
    """Of generated queries that were kept: for each rule and axis of variety, how many of each value."""

    def note(self, reason: str, by: int = 1) -> None:
        """Count `by` more under `reason`."""
        self.counts[reason] += by


def synthesise(
    constitution: Constitution, material: Material, model: ChatModel, config: SynthesisConfig, progress: Progress
) -> tuple[list[Example], Report]:
    """Labelled examples of both sides of every rule: prompts, and prompts with answers.

    Raises:
        GenerationError: The generator cannot write queries, or left a rule with too few.
    """
    report = Report()
    ask = _Generator(model, config.seed, progress)
    drafts = seed_queries(constitution) + draft_queries(
        constitution, material, per_ask=config.per_ask, seed=config.seed
    )
    drafts += _generated(constitution, material, config, ask, report)
    drafts = _distinct(drafts, config.near_duplicate, report)
    drafts = _voted(drafts, constitution, material, config=config, ask=ask, report=report)
    report.coverage = coverage((q.rule, q.facets) for q in drafts if q.facets is not None)
    _require_every_rule(constitution, drafts)
    to_answer = _shuffled(drafts, config.seed, "answer")
    prompts = [
        answer_prompt(q, constitution, material, variant=0, seed=config.seed) for q in to_answer[: config.answers]
    ]
    texts = [read_answer(text, material) for text in ask("answers", prompts, 100, 0.7)]
    pairs = _filtered(to_answer[: config.answers], texts, material, ask, report)
    answered = [_answer_example(q, a, constitution, model.name) for q, a in pairs]
    answered += _written(drafts, constitution, material, report)
    answered += _composed(to_answer[config.answers :], constitution, material, config, report)
    rewritten = _rewritten(_shuffled(drafts, config.seed, "rewrite")[: config.rewrites], material, config, ask, report)
    queries = _distinct(drafts + rewritten, config.near_duplicate, report)
    examples = [_prompt_example(query, constitution, model.name) for query in queries]
    return examples + answered, report


class _Generator:
    """The model, asked for a whole stage at once, with progress: it is never idle between parts of one."""

    def __init__(self, model: ChatModel, seed: int, progress: Progress) -> None:
        self.name = model.name
        self._model = model
        self._seed = seed
        self._progress = progress

    def __call__(self, stage: str, prompts: Sequence[str], max_tokens: int, temperature: float) -> list[str]:
        sampling = [Sampling(max_tokens, temperature, 0.9, int(fingerprint([self._seed, p])[:8], 16)) for p in prompts]
        done = 0

        def note(_: int, __: str) -> None:
            nonlocal done
            done += 1
            self._progress(stage, done, len(prompts))

        self._progress(stage, 0, len(prompts))
        return self._model.complete([(Message("user", p),) for p in prompts], sampling, on_answer=note)


def _generated(
    constitution: Constitution, material: Material, config: SynthesisConfig, ask: _Generator, report: Report
) -> list[Query]:
    """Usable queries of the rules without asks: one call a rule first, to learn whether the generator can do it.

    Raises:
        GenerationError: It can not.
    """
    per_call = 5
    calls = -(-config.queries_per_rule // per_call)
    planned = [
        [(rule, call) for call in generation_prompts(rule, material, calls=calls, per_call=per_call, seed=config.seed)]
        for rule in rules_without_asks(constitution, material)
    ]

    def made(stage: str, wanted: list[tuple[Rule, Call]]) -> list[Query]:
        texts = ask(stage, [call.prompt for _, call in wanted], 50 * per_call, 0.8)
        found = [
            query
            for (rule, call), text in zip(wanted, texts, strict=True)
            for query in read_generated(rule, text, material, call.facets)
        ]
        report.note("queries asked for", len(wanted) * per_call)
        return [q for q in found if not (is_refusal(q.text) or is_meta(q.text))]

    usable = made("queries: trial", [call for own in planned for call in own[:1]])
    _require_a_fit_generator(usable, len(planned), report.counts["queries asked for"], ask.name)
    usable += made("queries", [call for own in planned for call in own[1:]])
    report.note("queries generated", len(usable))
    return usable + _twinned(usable, constitution, material, config=config, ask=ask, report=report)


def _require_a_fit_generator(usable: Sequence[Query], rules: int, asked: int, name: str) -> None:
    distinct, written = len({query.text for query in usable}), len({query.rule for query in usable})
    if distinct < LEAST_USABLE * asked or (rules and written <= rules / 2):
        raise GenerationError(
            f"{name} cannot write the messages this constitution needs: in a trial, {distinct} of {asked} asked for "
            f"were usable and different, for {written} of {rules} rules; expected {LEAST_USABLE:.0%} or more, for "
            "more than half of the rules; write asks for the rules, or use a larger generator"
        )


def _twinned(
    queries: list[Query],
    constitution: Constitution,
    material: Material,
    *,
    config: SynthesisConfig,
    ask: _Generator,
    report: Report,
) -> list[Query]:
    """Permitted twins of restricted queries, the permitted rules near the line taking turns."""
    across = constitution.in_bucket("same_domain") + constitution.in_bucket("everyday")
    restricted = [q for q in queries if constitution.bucket_of(q.rule) == "restricted"]
    chosen = _shuffled(restricted, config.seed, "twin")[: config.twins] if across else []
    pairs = [(query, across[at % len(across)]) for at, query in enumerate(chosen)]
    made = ask("twins", [twin_prompt(query, rule, material) for query, rule in pairs], 80, 0.7)
    read = [read_twin(query, rule, text, material) for (query, rule), text in zip(pairs, made, strict=True)]
    kept = [q for q in read if q is not None and not (is_refusal(q.text) or is_meta(q.text))]
    report.note("twins asked for", len(pairs))
    report.note("twins kept", len(kept))
    return kept


def _voted(
    queries: list[Query],
    constitution: Constitution,
    material: Material,
    *,
    config: SynthesisConfig,
    ask: _Generator,
    report: Report,
) -> list[Query]:
    """The queries whose label a majority of judges bears out; those written by hand need no vote."""
    doubted = [q for q in queries if q.origin == "generated"] if config.votes else []
    ballots: list[list[str]] = [[] for _ in doubted]
    for judge in JUDGES[: config.votes]:
        prompts = [vote_prompt(judge, q.text, q.rule, constitution, material) for q in doubted]
        for ballot, verdict in zip(ballots, ask(f"judge: {judge}", prompts, 2, 0.0), strict=True):
            ballot.append(verdict)
    labels = [int(constitution.bucket_of(q.rule) == "restricted") for q in doubted]
    outvoted = {q.id for q, y, b in zip(doubted, labels, ballots, strict=True) if not bears_out(y, b)}
    for at, judge in enumerate(JUDGES[: config.votes]):
        agreed = sum(bears_out(y, [ballot[at]]) for y, ballot in zip(labels, ballots, strict=True))
        report.note(f"votes: {judge} agreed", agreed)
    report.note("queries put to the vote", len(doubted))
    report.note("queries dropped: outvoted", len(outvoted))
    return [q for q in queries if q.id not in outvoted]


def _rewritten(
    drafts: list[Query], material: Material, config: SynthesisConfig, ask: _Generator, report: Report
) -> list[Query]:
    made = ask("voices", [rewrite_prompt(q, material, config.seed) for q in drafts], 56, 0.7)
    read = [read_rewriting(q, text, material) for q, text in zip(drafts, made, strict=True)]
    kept = [q for q in read if q is not None and not (is_refusal(q.text) or is_meta(q.text))]
    report.note("rewritings asked for", len(drafts))
    report.note("rewritings kept", len(kept))
    return kept


def _written(queries: list[Query], constitution: Constitution, material: Material, report: Report) -> list[Example]:
    """Answers written by hand, each to the first draft of its ask."""
    first = {query.ask: query for query in reversed(queries) if query.ask in material.answers}
    report.note("answers written by hand", len(first))
    return [_answer_example(q, material.answers[ask], constitution, "written") for ask, q in first.items()]


def _composed(
    queries: list[Query], constitution: Constitution, material: Material, config: SynthesisConfig, report: Report
) -> list[Example]:
    """Answers strung together from facts, for the first `composed` queries of rules that have facts."""
    rng = np.random.default_rng([config.seed, 7])
    with_facts = {fact.rule for fact in material.facts}
    chosen = [q for q in queries if q.rule in with_facts][: config.composed]
    answers = [compose_answer(q, material, rng, count=int(rng.integers(2, 6))) for q in chosen]
    report.note("answers composed", len(chosen))
    return [_answer_example(q, a, constitution, "composed") for q, a in zip(chosen, answers, strict=True) if a]


def _filtered(
    queries: list[Query], texts: list[str | None], material: Material, ask: _Generator, report: Report
) -> list[tuple[Query, str]]:
    """The answered queries that survive the patterns and, where those are in doubt, the judge."""
    report.note("answers asked for", len(queries))
    pairs: list[tuple[Query, str]] = []
    for query, text in zip(queries, texts, strict=True):
        if text is None:
            report.note("answers dropped: too short")
        elif is_refusal(text):
            report.note("answers dropped: refusal by pattern")
        elif is_meta(text) or is_loop(text):
            report.note("answers dropped: speaks of its prompt, or loops")
        else:
            pairs.append((query, text))
    doubtful = [i for i, (_, a) in enumerate(pairs) if may_refuse(a)]
    verdicts = ask("judge: refusals", [refusal_prompt(pairs[i][1]) for i in doubtful], 2, 0.0)
    refused = {i for i, v in zip(doubtful, verdicts, strict=True) if says_yes(v) is not False}
    strange = [i for i, (q, a) in enumerate(pairs) if i not in refused and not shares_words(q.text, a)]
    asked = [on_topic_prompt(pairs[i][0].text, pairs[i][1], material) for i in strange]
    verdicts = ask("judge: off-topic", asked, 2, 0.0)
    astray = {i for i, v in zip(strange, verdicts, strict=True) if says_yes(v) is not True}
    report.note("answers dropped: refusal by judge", len(refused))
    report.note("answers dropped: off-topic by judge", len(astray))
    kept = [pair for i, pair in enumerate(pairs) if i not in refused | astray]
    report.note("answers kept", len(kept))
    return kept


def _distinct(queries: list[Query], threshold: float, report: Report) -> list[Query]:
    keep = keep_distinct([q.text for q in queries], threshold=threshold)
    report.note("queries dropped: near-duplicate", keep.count(False))
    return [q for q, k in zip(queries, keep, strict=True) if k]


def _require_every_rule(constitution: Constitution, queries: list[Query]) -> None:
    found = Counter(q.rule for q in queries)
    if few := [f"{r.id} ({found[r.id]})" for r in constitution.rules if found[r.id] < LEAST_QUERIES]:
        raise GenerationError(
            f"rules with fewer than {LEAST_QUERIES} different usable queries: {', '.join(few)}; "
            "give these rules 3 or more examples, write asks for them, or use a larger generator"
        )


def _shuffled(queries: list[Query], seed: int, salt: str) -> list[Query]:
    """The queries in an order that a larger `answers` or `rewrites` only extends."""
    return sorted(queries, key=lambda q: fingerprint([seed, salt, q.id]))


def _prompt_example(query: Query, constitution: Constitution, generator: str) -> Example:
    restricted = constitution.bucket_of(query.rule) == "restricted"
    return Example(
        id=query.id,
        constitution=constitution.fingerprint,
        messages=(Message("user", query.text),),
        prompt_label=int(restricted),
        answer_label=None,
        rule=query.rule,
        source=f"synthesis:{query.origin}",
        generator=generator if query.origin in {"rewritten", "generated"} else query.origin,
        parent=query.parent,
        family=query.family,
    )


def _answer_example(query: Query, answer: str, constitution: Constitution, generator: str) -> Example:
    prompt = _prompt_example(query, constitution, generator)
    return replace(
        prompt,
        id=fingerprint([query.id, answer])[:12],
        messages=(*prompt.messages, Message("assistant", answer)),
        answer_label=prompt.prompt_label,
        source=f"synthesis:{generator}" if generator in {"composed", "written"} else "synthesis:answered",
        generator=generator,
        parent=query.id,
        onset_char=0 if prompt.prompt_label and generator == "composed" else None,
    )
