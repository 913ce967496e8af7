"""One turn: a player's message goes to the guarded target, and what may leave is kept before it leaves.

In: an arena, a player and a message. Out: frames for whoever listens, and one `Answered` in the log, whatever happens.
Every piece is durable in the store before it is handed on, so that a server that dies mid-stream has lost no word a
player has seen. Decides nothing: rounds.py says what is allowed, the guard what is released.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from math import isfinite
from typing import NamedTuple

from lictor.arena import events as e
from lictor.arena.arena import Arena
from lictor.arena.rounds import Declined, answer, send
from lictor.arena.state import State, path, system_owner
from lictor.arena.store import BusyError, Store, Words
from lictor.arena.targets import Reply
from lictor.evaluation.readings import facts_in
from lictor.types import Conversation, Decision, GuardEvent, Halted, Message, Refused, Released

LONGEST_PAUSE_S = 5.0
LOG = logging.getLogger("lictor.arena")


class Taken(NamedTuple):
    """A message that was taken and is to be answered."""

    turn: str
    conversation: str
    player: str
    messages: Conversation
    """What the guard reads: the conversation so far, without turns of which nothing was delivered."""


class Frame(NamedTuple):
    """Something a listener is told: a piece of text, or the end."""

    text: str = ""
    end: e.Answered | None = None


class Wording(NamedTuple):
    """The two sides of a turn."""

    sent: str
    delivered: str


def take(store: Store, *, player: str, conversation: str, text: str, by_arena: bool = False) -> Taken:
    """Log a player's message, with its words.

    Raises:
        Declined: The rules do not allow it now.
        BusyError: The database did not answer; nothing was taken.
    """
    turn = secrets.token_hex(8)
    now, chars = store.now(), len(text)

    def decide(state: State) -> list[e.Event]:
        return send(state, player=player, conversation=conversation, turn=turn, chars=chars, now=now, by_arena=by_arena)

    store.change(
        player,
        decide,
        words=[Words(e.words(turn, "sent"), 0, player, text)],
    )
    return Taken(turn, conversation, player, history(store, turn))


def history(store: Store, turn: str) -> Conversation:
    """What the guard and the target read at a turn: the conversation up to its message.

    The system prompt comes first, where there is one; turns that delivered nothing are forgotten.
    """
    before, owner = store.read(lambda s: _before(s, turn))
    said = wordings(store, [*before, turn])
    messages: list[Message] = []
    if owner is not None and (system := store.words(e.words(owner, "system"))):
        messages.append(Message("system", system))
    for earlier in before:
        if said[earlier].delivered:
            messages += [Message("user", said[earlier].sent), Message("assistant", said[earlier].delivered)]
    return (*messages, Message("user", said[turn].sent))


def own_words(messages: Conversation) -> str:
    """What the player wrote at a turn: its message, and the system prompt it stands under."""
    return "\n\n".join(m.content for m in messages if m.role == "system" or m is messages[-1])


def wordings(store: Store, turns: Sequence[str]) -> dict[str, Wording]:
    """What was said in each of `turns`."""
    names = [e.words(turn, part) for turn in turns for part in ("sent", "delivered")]
    found = store.words_of(names)
    return {turn: Wording(found[e.words(turn, "sent")], found[e.words(turn, "delivered")]) for turn in turns}


async def run_turn(
    arena: Arena,
    taken: Taken,
    emit: Callable[[Frame], None],
    *,
    is_wanted: Callable[[], bool] = lambda: True,
) -> e.Answered:
    """Answer a taken message, and log how it ended. A listener that is gone (`is_wanted`) ends it."""
    started = time.monotonic()
    teller = _Teller(arena, taken, emit)
    outcome: e.Outcome = "error"
    try:
        outcome = await teller.tell(is_wanted)
    except asyncio.CancelledError:
        outcome = "interrupted"
    except Exception as error:
        LOG.exception("turn %s failed", taken.turn)
        teller.reason = type(error).__name__
    ended = await asyncio.to_thread(teller.ending, outcome, time.monotonic() - started)
    await _log_end(arena, ended)
    emit(Frame(end=ended))
    return ended


def end_interrupted(arena: Arena) -> int:
    """End the turns that a server which is gone was answering, with what had been delivered; how many there were.

    To be called before any turn is taken: one server at a time serves an arena.
    """
    left = arena.store.read(lambda s: [turn for turn in s.turns.values() if turn.answer is None])
    for turn in left:
        said = wordings(arena.store, [turn.id])[turn.id]
        ended = e.Answered(
            turn=turn.id,
            conversation=turn.conversation,
            outcome="interrupted",
            guard=arena.guard_version,
            facts=facts_in(said.delivered, arena.facts),
            fed=facts_in(own_words(history(arena.store, turn.id)), arena.facts),
            chars=len(said.delivered),
        )
        arena.store.change("server", _ending(ended))
    return len(left)


class _Teller:
    """Keeps what was delivered of one answer."""

    def __init__(self, arena: Arena, taken: Taken, emit: Callable[[Frame], None]) -> None:
        self._arena, self._taken, self._emit = arena, taken, emit
        self._delivered: list[str] = []
        self._reply: Reply | None = None
        self._decision: Decision | None = None
        self.reason: str | None = None

    async def tell(self, is_wanted: Callable[[], bool]) -> e.Outcome:
        async for event in self._events():
            match event:
                case Released(text):
                    await asyncio.to_thread(self._deliver, text)
                    self._emit(Frame(text=text))
                case Refused(decision):
                    self._decision = decision
                    return "error" if decision.status == "error" else "refused"
                case Halted(decision):
                    self._decision = decision
                    return "error" if decision.status == "error" else "halted"
            if not is_wanted():
                return "left"
        return "released"

    async def _events(self) -> AsyncGenerator[GuardEvent]:
        if self._arena.guard is None:
            async for text in self._pieces():
                yield Released(text)
            return
        async for event in self._arena.guard.astream(self._taken.messages, self._pieces()):
            yield event

    async def _pieces(self) -> AsyncGenerator[str]:
        self._reply = await asyncio.to_thread(self._arena.target.reply, self._taken.messages)
        pieces = self._reply.pieces
        while (piece := await asyncio.to_thread(_next, pieces)) is not None:
            yield piece

    def _deliver(self, text: str) -> None:
        name = e.words(self._taken.turn, "delivered")
        self._arena.store.write_words([Words(name, len(self._delivered), self._taken.player, text)])
        self._delivered.append(text)

    def ending(self, outcome: e.Outcome, seconds: float) -> e.Answered:
        decision, delivered = self._decision, "".join(self._delivered)
        return e.Answered(
            turn=self._taken.turn,
            conversation=self._taken.conversation,
            outcome=outcome,
            stage=decision.stage if decision else None,
            score=decision.score if decision and isfinite(decision.score) else None,
            threshold=decision.threshold if decision else None,
            token_index=decision.token_index if decision else None,
            view=decision.view if decision else None,
            reason=self.reason or (decision.reason if decision else None),
            guard=self._arena.guard_version,
            facts=self._reply.facts(delivered) if self._reply and delivered else (),
            fed=facts_in(own_words(self._taken.messages), self._arena.facts),
            chars=len(delivered),
            seconds=round(seconds, 3),
        )


def _before(state: State, turn: str) -> tuple[list[str], str | None]:
    """Turns before `turn` in its conversation, and whose system prompt they stand under."""
    conversation = state.turns[turn].conversation
    turns = [one.id for one in path(state, conversation)]
    return turns[: turns.index(turn)], system_owner(state, conversation)


def _next(pieces: Iterator[str]) -> str | None:
    return next(pieces, None)


def _ending(ended: e.Answered) -> Callable[[State], list[e.Event]]:
    return lambda state: answer(state, ended)


async def _log_end(arena: Arena, ended: e.Answered) -> None:
    """Log the end of a turn; a database that does not answer is asked until it does, for a turn without an end is busy.

    Cancelled, it leaves the turn to `end_interrupted`.
    """
    pause = 0.1
    while True:
        try:
            await asyncio.to_thread(arena.store.change, "server", _ending(ended))
        except BusyError:
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)
        except Declined:
            return
        else:
            return
