"""Run synthesis: drafts, rewritings, answers, filters; every generator call goes through the cache.

In: a constitution, its material, a chat model (cached, so that a killed run resumes and pays for nothing twice),
a configuration. Out: examples with labels, and a report of what each filter kept. Knows no dataset, no splits.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from lictor.artifacts import fingerprint
from lictor.constitution import Constitution, Rule
from lictor.errors import GenerationError
from lictor.synthesis.answers import Wanted, across, answer_prompt, compose_answer, read_answer
from lictor.synthesis.asking import Generator, Progress, Report, elected
from lictor.synthesis.dedupe import keep_distinct
from lictor.synthesis.dialogues import TURN_TOKENS, TURNS, dialogue_calls, read_dialogue
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
    cases_prompt,
    draft_queries,
    generation_prompts,
    neighbours,
    read_cases,
    read_generated,
    read_rewriting,
    read_twin,
    rewrite_prompt,
    rules_without_asks,
    seed_queries,
    twin_prompt,
)
from lictor.synthesis.variety import coverage
from lictor.synthesis.votes import ANSWER_JUDGES, JUDGES, answer_vote_prompt, vote_prompt
from lictor.types import ChatModel, Example, Message

LEAST_USABLE = 0.2
"""Share of the queries in a trial that must be usable."""

LEAST_QUERIES = 5
"""Queries of a rule, at least; with fewer, some split has none."""


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
    """Judges (0 to 3) that must bear out the label of a query, or answer across the line, by majority."""
    dialogues: int = 0
    """Conversations of several turns the generator writes, over the rules on both sides near the line."""
    across: int = 0
    """Queries near the line that get a second answer, from the other side of it."""
    long_answers: int = 0
    """Of the queries answered, how many are answered at length."""
    near_duplicate: float = 0.8
    seed: int = 0


def synthesise(
    constitution: Constitution, material: Material, model: ChatModel, config: SynthesisConfig, progress: Progress
) -> tuple[list[Example], Report]:
    """Labelled examples of both sides of every rule: prompts, and prompts with answers.

    Raises:
        GenerationError: The generator cannot write queries, or left a rule with too few.
    """
    report = Report()
    ask = Generator(model, config.seed, progress)
    drafts = seed_queries(constitution) + draft_queries(
        constitution, material, per_ask=config.per_ask, seed=config.seed
    )
    drafts += _generated(constitution, material, config, ask, report)
    drafts += _conversed(constitution, material, config=config, ask=ask, report=report)
    drafts = _distinct(drafts, config.near_duplicate, report)
    drafts = _voted(drafts, constitution, material, config=config, ask=ask, report=report)
    _require_every_rule(constitution, drafts)
    to_answer = _shuffled(drafts, config.seed, "answer")
    wanted = _wanted(to_answer[: config.answers], constitution, config)
    pairs = _filtered(wanted, _answers(wanted, constitution, material, config, ask), material, ask, report)
    pairs = _one_sided(pairs, report)
    pairs = _borne_out(pairs, constitution, material, config=config, ask=ask, report=report)
    answered = [_answer_example(w.query, a, constitution, model.name, rule=w.rule) for w, a in pairs]
    answered += _written(drafts, constitution, material, report)
    answered += _composed(to_answer[config.answers :], constitution, material, config, report)
    alone = [query for query in _shuffled(drafts, config.seed, "rewrite") if not query.turns]
    rewritten = _rewritten(alone[: config.rewrites], material, config, ask, report)
    queries = _distinct(drafts + rewritten, config.near_duplicate, report)
    report.coverage = coverage((query.rule, _axes(query)) for query in queries)
    examples = [_prompt_example(query, constitution, model.name) for query in queries]
    return examples + answered, report


def _axes(query: Query) -> dict[str, str]:
    """What is counted of a query, rule by rule."""
    told = asdict(query.facets) if query.facets is not None and query.origin == "generated" else {}
    return {"origin": query.origin, "turns": "several" if query.turns else "one", **told}


def _generated(
    constitution: Constitution, material: Material, config: SynthesisConfig, ask: Generator, report: Report
) -> list[Query]:
    """Usable queries of the rules without asks: one call a rule first, to learn whether the generator can do it.

    Raises:
        GenerationError: It can not.
    """
    per_call, tokens_each = (1, 110) if material.forms else (3, 70)
    calls = -(-config.queries_per_rule // per_call)
    rules = rules_without_asks(constitution, material)
    many = {"calls": calls, "per_call": per_call, "seed": config.seed}
    planned = [
        [(rule, call) for call in generation_prompts(rule, material, **many, cases=own)]
        for rule, own in zip(rules, _cases(rules, material, ask), strict=True)
    ]

    def made(stage: str, wanted: list[tuple[Rule, Call]]) -> list[Query]:
        texts = ask(stage, [call.prompt for _, call in wanted], tokens_each * per_call, 0.8)
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


def _cases(rules: list[Rule], material: Material, ask: Generator) -> list[tuple[str, ...]]:
    """The ways in which each rule comes up; none where messages are requests, or where topics were written for them."""
    if not material.forms or material.topics:
        return [()] * len(rules)
    return [read_cases(text, material) for text in ask("cases", [cases_prompt(r, material) for r in rules], 220, 0.7)]


def _conversed(
    constitution: Constitution, material: Material, *, config: SynthesisConfig, ask: Generator, report: Report
) -> list[Query]:
    """Usable conversations of several turns, under the rules on both sides near the line."""
    near = constitution.restricted + constitution.in_bucket("same_domain")
    calls = dialogue_calls(near, material, count=config.dialogues, seed=config.seed)
    texts = ask("dialogues", [call.prompt for _, call in calls], 2 * max(TURNS) * TURN_TOKENS, 0.8)
    read = [read_dialogue(rule, text, call, material) for (rule, call), text in zip(calls, texts, strict=True)]
    kept = [query for query in read if query is not None]
    report.note("dialogues asked for", len(calls))
    report.note("dialogues kept", len(kept))
    return kept


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
    ask: Generator,
    report: Report,
) -> list[Query]:
    """Permitted twins of restricted queries, the permitted rules nearest to the query's own taking turns."""
    beyond = constitution.in_bucket("same_domain") + constitution.in_bucket("everyday")
    restricted = [q for q in queries if constitution.bucket_of(q.rule) == "restricted"]
    chosen = _shuffled(restricted, config.seed, "twin")[: config.twins] if beyond else []
    near = {rule.id: neighbours(rule, beyond) for rule in constitution.restricted}
    pairs = [(query, near[query.rule][at % len(near[query.rule])]) for at, query in enumerate(chosen)]
    made = ask("twins", [twin_prompt(query, rule, material) for query, rule in pairs], 110, 0.7)
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
    ask: Generator,
    report: Report,
) -> list[Query]:
    """The queries whose label a majority of judges bears out; those written by hand need no vote."""
    doubted = [q for q in queries if q.origin == "generated"] if config.votes else []
    judges = JUDGES[: config.votes]
    prompts = {j: [vote_prompt(j, q.said, q.rule, constitution, material) for q in doubted] for j in judges}
    labels = [int(constitution.bucket_of(q.rule) == "restricted") for q in doubted]
    kept = elected("queries", labels, prompts, ask, report)
    outvoted = {q.id for q, is_kept in zip(doubted, kept, strict=True) if not is_kept}
    return [q for q in queries if q.id not in outvoted]


def _one_sided(pairs: list[tuple[Wanted, str]], report: Report) -> list[tuple[Wanted, str]]:
    """The answers that a query got on one side of the line alone: the same words on both have no label."""
    given = Counter((wanted.query.id, answer) for wanted, answer in pairs)
    kept = [(wanted, answer) for wanted, answer in pairs if given[wanted.query.id, answer] == 1]
    report.note("answers dropped: the same on both sides", len(pairs) - len(kept))
    return kept


def _borne_out(
    pairs: list[tuple[Wanted, str]],
    constitution: Constitution,
    material: Material,
    *,
    config: SynthesisConfig,
    ask: Generator,
    report: Report,
) -> list[tuple[Wanted, str]]:
    """The answers whose label a majority of judges bears out, where a query has one on either side of the line."""
    twinned = {wanted.query.id for wanted, _ in pairs if wanted.is_across}
    doubted = [pair for pair in pairs if pair[0].query.id in twinned] if config.votes else []
    judges = ANSWER_JUDGES[: config.votes]
    prompts = {j: [answer_vote_prompt(j, *pair, constitution, material) for pair in doubted] for j in judges}
    labels = [int(constitution.bucket_of(wanted.rule) == "restricted") for wanted, _ in doubted]
    kept = elected("answers", labels, prompts, ask, report)
    outvoted = {pair for pair, is_kept in zip(doubted, kept, strict=True) if not is_kept}
    return [pair for pair in pairs if pair not in outvoted]


def _rewritten(
    drafts: list[Query], material: Material, config: SynthesisConfig, ask: Generator, report: Report
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


def _wanted(queries: list[Query], constitution: Constitution, config: SynthesisConfig) -> list[Wanted]:
    """An answer to each query, and to the first of those near the line one from the other side as well."""
    near = [q for q in queries if constitution.bucket_of(q.rule) in {"restricted", "same_domain"}]
    second = [across(query, constitution, config.seed) for query in near[: config.across]]
    own = [Wanted(query, query.rule, at < config.long_answers) for at, query in enumerate(queries)]
    return own + [wanted for wanted in second if wanted is not None]


def _answers(
    wanted: list[Wanted], constitution: Constitution, material: Material, config: SynthesisConfig, ask: Generator
) -> list[str | None]:
    """What the generator wrote, cut to whole sentences; those at length are a stage of their own."""
    texts: list[str | None] = [None] * len(wanted)
    for stage, is_long, tokens in (("answers", False, 100), ("answers: long", True, 380)):
        places = [at for at, one in enumerate(wanted) if one.is_long == is_long]
        prompts = [answer_prompt(wanted[at], constitution, material, seed=config.seed) for at in places]
        for at, text in zip(places, ask(stage, prompts, tokens, 0.7), strict=True):
            texts[at] = read_answer(text, material)
    return texts


def _filtered(
    wanted: list[Wanted], texts: list[str | None], material: Material, ask: Generator, report: Report
) -> list[tuple[Wanted, str]]:
    """The answered queries that survive the patterns and, where those are in doubt, the judge."""
    report.note("answers asked for", len(wanted))
    pairs: list[tuple[Wanted, str]] = []
    for query, text in zip(wanted, texts, strict=True):
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
    strange = [i for i, (w, a) in enumerate(pairs) if i not in refused and not shares_words(w.query.said, a)]
    asked = [on_topic_prompt(pairs[i][0].query.said, pairs[i][1], material) for i in strange]
    verdicts = ask("judge: off-topic", asked, 2, 0.0)
    astray = {i for i, v in zip(strange, verdicts, strict=True) if says_yes(v) is not True}
    report.note("answers dropped: refusal by judge", len(refused))
    report.note("answers dropped: off-topic by judge", len(astray))
    kept = [pair for i, pair in enumerate(pairs) if i not in refused | astray]
    report.note("answers kept", len(kept))
    return kept


def _distinct(queries: list[Query], threshold: float, report: Report) -> list[Query]:
    keep = keep_distinct([q.said for q in queries], threshold=threshold)
    report.note("queries compared", len(queries))
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
        messages=(*query.turns, Message("user", query.text)),
        prompt_label=int(restricted),
        answer_label=None,
        rule=query.rule,
        source=f"synthesis:{query.origin}",
        generator=generator if query.origin in {"rewritten", "generated"} else query.origin,
        parent=query.parent,
        family=query.family,
    )


def _answer_example(
    query: Query, answer: str, constitution: Constitution, generator: str, *, rule: str | None = None
) -> Example:
    """An answer under `rule`, or the query's own."""
    prompt = _prompt_example(query, constitution, generator)
    rule = rule or query.rule
    label = int(constitution.bucket_of(rule) == "restricted")
    return replace(
        prompt,
        id=fingerprint([query.id, answer])[:12],
        messages=(*prompt.messages, Message("assistant", answer)),
        answer_label=label,
        rule=rule if label else query.rule,
        source=f"synthesis:{generator}" if generator in {"composed", "written"} else "synthesis:answered",
        generator=generator,
        parent=query.id,
        onset_char=0 if prompt.prompt_label and generator == "composed" else None,
    )
