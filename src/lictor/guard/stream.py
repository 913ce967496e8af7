"""Turn an answer's text and its token scores into released text or a halt.

In: text in arbitrary chunks, and logits for the tokens it asks about. Out: `Released`, `ScoreRequest`, `Halted`.
Knows no model, network, clock or thread: a driver does the scoring (guard/guard.py has a sync and an async one).

Text is cut into tokens by guard/tokens.py and read by every view, segment by segment. A round ends where the count of
answer tokens is a multiple of `policy.stride` or one of `policy.warmup`; it asks for the scores of all that the
text and its views committed since the last round. When they are all in, the round is decided and text is released up to
the end of the last cleared token, and never beyond what each view has read and had cleared. So what is delivered, and
where it halts, depends on the text and the scores alone.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from lictor.errors import UsageError
from lictor.guard.cascade import Escalation, suspicion
from lictor.guard.debounce import Debounce
from lictor.guard.lanes import Batch, LaneToken, Make, TextLane, ViewLane
from lictor.guard.legible import Legibility, Together
from lictor.guard.tokens import SEGMENT_CHARS, Committer, Segment
from lictor.guard.views import VIEWS, Views
from lictor.types import UNREADABLE, Action, Decision, Halted, Policy, Released, ScoreRequest, ScorerName, Tokenizer

StreamStep = Released | Halted | ScoreRequest
OnScore = Callable[[float], None]
"""Called with what each token of the text itself counts for: all scorers' logits summed, the prompt's part added."""

OPEN_VIEWS = 8
"""Disguises open at once, disguises within them counted, above which an answer halts: each is a stream to be scored."""

HELD_CHARS = 4096
"""Characters that views hold back above which an answer halts, rather than hold back without bound."""


@dataclass(slots=True)
class _Round:
    batches: list[Batch]
    is_final: bool
    error: str | None
    """Why nobody can check the text from here on."""
    unreadable: int | None
    """Character from which neither the scorer nor a view can read the text."""

    @property
    def held(self) -> int:
        """Characters read that the views hold back, once the round is decided."""
        text, *views = self.batches
        bounds = [bound for batch in views if (bound := batch.cleared) is not None]
        return (text.limit or 0) - min(bounds, default=text.limit or 0)


class _Asked(NamedTuple):
    """A ScoreRequest that was made."""

    batch: Batch
    scorer: ScorerName


class StreamGuard:
    """The state of one guarded answer.

    Drive it with `push` for each chunk and `finish` at the end. Answer every ScoreRequest, oldest first, with `scored`,
    at once or later; one to the exchange scorer comes before all others. Report a scorer that failed with `failed`.
    After a `Halted` nothing more is taken.

    A trailing run shorter than the debounce halts too, at the end of the answer and at the end of a disguise: nothing
    can follow that would clear it.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        policy: Policy,
        *,
        views: Views = VIEWS,
        version: str = "",
        on_score: OnScore | None = None,
    ) -> None:
        if policy.stride < 1 or policy.debounce < 1 or policy.hold_back < 0:
            raise UsageError(
                "policy: expected stride and debounce of at least 1 and hold_back of at least 0, "
                f"got {policy.stride}, {policy.debounce} and {policy.hold_back}"
            )
        self._policy = policy
        self._version = version
        self._on_score = on_score
        self._committer = Committer(tokenizer)
        self._held: deque[Segment] = deque()
        self._released = 0
        self._text = TextLane(self._debounce(), self._escalation())
        make = Make(views, tokenizer, self._debounce, self._escalation, policy.unreadable == "block")
        self._views = [ViewLane(name, make) for name in views]
        self._rounds: deque[_Round] = deque()
        self._outstanding: deque[_Asked] = deque()
        self._is_finished = False
        self._legibility = Legibility() if policy.unreadable == "block" else None
        self._is_bypassed = self._is_uncheckable = False
        self._decision: Decision | None = None
        self._suspicion = 0.0
        self._escalates_at_once = self._is_escalated = False
        self._has_scores = False

    @property
    def waiting(self) -> bool:
        """Whether a ScoreRequest is unanswered."""
        return bool(self._outstanding)

    @property
    def ended(self) -> bool:
        """Whether all is said: halted, or finished and every score in."""
        halted = self._decision is not None and not self._is_bypassed
        return halted or (self._is_finished and self._decision is not None)

    @property
    def decision(self) -> Decision:
        """The verdict. A bypass is known before the end.

        Raises:
            UsageError: There is none yet.
        """
        if self._decision is None:
            raise UsageError("StreamGuard: no decision yet; call finish() and answer every ScoreRequest first")
        return self._decision

    def push(self, text: str) -> list[StreamStep]:
        """Take the next chunk of the answer.

        Raises:
            UsageError: The answer was finished or halted before.
            ScoringError: The tokenizer broke its contract; call `failed`.
        """
        self._refuse_after_end("push")
        if self._is_bypassed:
            return [Released(text)] if text else []
        return self._commit(self._committer.push(text))

    def finish(self) -> list[StreamStep]:
        """The answer ends here.

        Raises:
            UsageError: The answer was finished or halted before.
            ScoringError: The tokenizer broke its contract; call `failed`.
        """
        self._refuse_after_end("finish")
        self._is_finished = True
        if self._is_bypassed:
            return []
        steps = self._commit(self._committer.finish())
        for lane in self._views:
            lane.finish()
        return steps + self._end_round(is_final=True) + self._settle()

    def after_prompt(self, prompt_score: float) -> None:
        """Let the prompt's logit count in every logit of its answer; to be called before the first of them is taken.

        Raises:
            UsageError: A logit of the answer was taken before.
        """
        if self._has_scores:
            raise UsageError("StreamGuard.after_prompt: a logit of the answer was taken before; call it first")
        self._suspicion = suspicion(self._policy, prompt_score)
        cascade = self._policy.cascade
        self._escalates_at_once = cascade is not None and prompt_score >= cascade.prompt_escalation

    def scored(self, view: str | None, logits: Sequence[float], scorer: ScorerName = "stream") -> list[StreamStep]:
        """Take the logits of the next unanswered ScoreRequest.

        Raises:
            UsageError: None is unanswered, or the next one is of another view or scorer.
            ScoringError: Not one number per token; call `failed`.
        """
        if not self._outstanding:
            raise UsageError(f"StreamGuard.scored({view!r}): no ScoreRequest is unanswered")
        batch, asked = self._outstanding[0]
        if (batch.view, asked) != (view, scorer):
            raise UsageError(
                f"StreamGuard.scored: expected the {asked} scorer's logits of view {batch.view!r}, "
                f"got the {scorer} scorer's of {view!r}"
            )
        self._has_scores = True
        further = self._take(batch, logits, scorer)
        self._outstanding.popleft()
        self._outstanding.extendleft(_Asked(batch, request.scorer) for request in further)
        return [*further, *self._settle()]

    def failed(self, reason: str) -> list[StreamStep]:
        """Scoring failed, of the type `reason`: halt, or let all pass unscored where the policy says so.

        Raises:
            UsageError: The answer was decided before.
        """
        if self._decision is not None:
            raise UsageError(f"StreamGuard.failed({reason!r}): the answer was decided before")
        return self._fail(reason, max(lane.debounce.peak for lane in [self._text, *self._awake()]))

    def _take(self, batch: Batch, logits: Sequence[float], scorer: ScorerName) -> list[ScoreRequest]:
        if scorer == "exchange":
            assert self._policy.cascade is not None, "only a cascade asks the exchange scorer"  # noqa: S101
            batch.answer_in_context(self._policy.cascade, logits)
            return []
        if not batch.answer(logits, at_once=self._escalates_at_once):
            return []
        self._is_escalated = True
        count = sum(batch.escalated)  # once escalated, all that follows is
        said = batch.escalation.hand_over(count)
        return [ScoreRequest(batch.view, batch.token_ids[-count:], scorer="exchange", said=said)]

    def _awake(self) -> list[ViewLane]:
        return [lane for view in self._views for lane in view.awake()]

    def _debounce(self) -> Debounce[LaneToken]:
        return Debounce(self._policy.output_threshold, self._policy.debounce)

    def _escalation(self) -> Escalation:
        return Escalation(self._policy.cascade)

    def _refuse_after_end(self, call: str) -> None:
        if self._is_finished or self.ended:
            raise UsageError(f"StreamGuard.{call}: the answer was finished or halted before; open a new StreamGuard")

    def _commit(self, segments: Iterable[Segment]) -> list[StreamStep]:
        steps: list[StreamStep] = []
        for segment in segments:
            self._held.append(segment)
            if self._is_uncheckable:
                continue
            if self._legibility:
                self._legibility.add(segment)
            for lane in self._views:
                lane.push(segment.text, segment.start)
            for token in segment.tokens:
                self._text.add(token)
                count = self._text.count
                if count % self._policy.stride == 0 or count - self._policy.hold_back in self._policy.warmup:
                    steps += self._end_round(is_final=False)
        return steps

    def _end_round(self, *, is_final: bool) -> list[StreamStep]:
        if self._is_uncheckable:
            return []
        lanes = self._awake()
        self._is_uncheckable = sum(lane.is_open for lane in lanes) > OPEN_VIEWS
        batches = [self._text.batch(final=is_final), *(lane.batch() for lane in lanes)]
        error = "too_many_views" if self._is_uncheckable else None
        self._rounds.append(_Round(batches, is_final, error, self._judge(lanes, batches)))
        asked = [batch for batch in batches if batch.token_ids]
        self._outstanding += [_Asked(batch, "stream") for batch in asked]
        return [ScoreRequest(batch.view, batch.token_ids, batch.ends) for batch in asked]

    def _judge(self, lanes: list[ViewLane], batches: list[Batch]) -> int | None:
        """Where text that nobody can read begins, as far as the views have read."""
        if self._legibility is None:
            return None
        bounds = [batch.limit for batch in batches if batch.limit is not None]
        return self._legibility.judge(min(bounds), Together([lane.read for lane in lanes]))

    def _settle(self) -> list[StreamStep]:
        """Decide every round, oldest first, whose scores are all in."""
        steps: list[StreamStep] = []
        while self._rounds and all(batch.is_answered for batch in self._rounds[0].batches):
            steps += self._decide(self._rounds.popleft())
        return steps

    def _decide(self, ended: _Round) -> list[StreamStep]:
        for batch in ended.batches:
            batch.decide(self._suspicion)
            if self._on_score and batch.view is None:
                for logit in batch.logits or ():
                    self._on_score(logit + self._suspicion)
        bounds = [ended.unreadable, *(batch.cleared for batch in ended.batches)]
        cleared = min(bound for bound in bounds if bound is not None)
        halts = any(batch.debounce.halted for batch in ended.batches)
        is_last = ended.is_final and not halts and ended.unreadable is None
        steps = self._release(cleared if is_last else self._text.before(cleared, self._policy.hold_back))
        if halts:
            return steps + self._stop(self._halt(ended.batches), is_open=False)
        best = max(ended.batches, key=lambda batch: batch.debounce.peak)
        if ended.unreadable is not None:
            return steps + self._stop(self._unreadable(ended.unreadable, best.debounce.peak), is_open=False)
        error = ended.error or ("disguise_too_wide" if ended.held > HELD_CHARS else None)
        if error:
            return steps + self._fail(error, best.debounce.peak)
        if ended.is_final:
            self._decision = replace(self._verdict("allow", best.debounce.peak), view=best.view)
        return steps

    def _halt(self, batches: list[Batch]) -> Decision:
        """The record of a halt: the lane whose run starts first in the answer decides; the highest score counts."""
        halted = [(batch.debounce.first, batch.view) for batch in batches if batch.debounce.halted]
        first, view = min(((first, view) for first, view in halted if first), key=lambda run: run[0].start)
        score = max(batch.debounce.peak for batch in batches)
        token_index = first.place if view is None else self._text.index_at(first.start)
        return replace(self._verdict("block", score), stage="output", token_index=token_index, view=view)

    def _unreadable(self, start: int, score: float) -> Decision:
        blocked = replace(self._verdict("block", score), stage="output", reason=UNREADABLE)
        return replace(blocked, token_index=self._text.index_at(start))

    def _fail(self, reason: str, score: float) -> list[StreamStep]:
        decision = replace(self._verdict("block", score), stage="output", status="error", reason=reason)
        return self._stop(decision, is_open=self._policy.on_error == "open")

    def _stop(self, decision: Decision, *, is_open: bool) -> list[StreamStep]:
        """End here with a block; or note it and let everything pass from here on."""
        self._rounds.clear()
        self._outstanding.clear()
        if not is_open and self._policy.enforcement == "block":
            self._decision = decision
            self._held.clear()
            return [Halted(decision)]
        self._decision = replace(decision, action="flag", would_block=True)
        self._is_bypassed = True
        rest = "".join(segment.text[max(0, self._released - segment.start) :] for segment in self._held)
        rest += self._committer.pending
        self._held.clear()
        return [Released(rest)] if rest else []

    def _release(self, cleared: int) -> list[StreamStep]:
        parts: list[str] = []
        while self._held and self._released < cleared:
            segment = self._held[0]
            parts.append(segment.text[self._released - segment.start : cleared - segment.start])
            self._released = min(cleared, segment.end)
            if segment.end <= cleared:
                self._held.popleft()
        self._text.forget(self._released)
        text = "".join(parts)
        return [Released(text)] if text else []

    def _verdict(self, action: Action, score: float) -> Decision:
        threshold, escalated = self._policy.output_threshold, self._is_escalated
        return Decision(action, None, None, score, threshold, escalated=escalated, guard_version=self._version)


def hold_back_limit(policy: Policy, *, token_chars: int = SEGMENT_CHARS, views: Views = VIEWS) -> int:
    """Most characters of the text pushed that are ever held back once every ScoreRequest is answered.

    Args:
        policy: Its stride, hold-back and debounce count.
        token_chars: Longest token of the tokenizer, in characters.
        views: The views that read along; an open disguise holds back up to `HELD_CHARS`, plain text next to nothing.
    """
    undecided = (policy.debounce - 1) * token_chars
    plain = SEGMENT_CHARS + (policy.stride - 1 + policy.hold_back) * token_chars
    return plain + max(undecided, HELD_CHARS if views else 0)
