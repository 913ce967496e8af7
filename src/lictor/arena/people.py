"""Who may come in: accounts, passwords, invitations and sessions; and all that is kept of a person, to fetch or erase.

In: a store and what somebody typed. Out: accounts and sessions. A person is a name and a password hash, no more; the
log knows them by a random id. Passwords, session tokens and invitations are kept as hashes alone.
"""

import hashlib
import secrets
from functools import cache
from typing import NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, select
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from lictor.arena import events as e
from lictor.arena.rounds import Declined, erase, join
from lictor.arena.schema import person, session, word
from lictor.arena.store import Store

SESSION_S = 14 * 24 * 3600
SHORTEST_PASSWORD = 10


class Session(NamedTuple):
    """Somebody who is signed in."""

    person: str
    name: str
    role: e.Role
    csrf: str


def digest(secret: str) -> str:
    """What is kept of a random secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def invite(store: Store, *, role: e.Role, label: str, actor: str) -> str:
    """An invitation for one person: the secret part of a link, which nothing keeps."""
    invitation = secrets.token_urlsafe(18)
    store.change(actor, lambda _: [e.Invited(invitation=digest(invitation), role=role, label=label)])
    return invitation


def sign_up(store: Store, *, name: str, password: str, consent: bool, invitation: str | None) -> str:
    """A new account's id.

    Raises:
        Declined: The name is taken or unfit, the password too short, or the invitation does not hold.
    """
    shown = " ".join(name.split())
    if not 2 <= len(shown) <= 40 or not shown.isprintable():
        raise Declined("invalid", "A name has 2 to 40 printable characters; it need not be yours.")
    if not SHORTEST_PASSWORD <= len(password) <= 200:
        raise Declined("invalid", f"A password has at least {SHORTEST_PASSWORD} characters.")
    player, hashed = secrets.token_hex(8), _hasher().hash(password)
    terms = store.read(lambda s: s.contest.terms if s.contest else "")

    def keep(connection: Connection) -> None:
        row = {"id": player, "name": shown, "folded": shown.casefold(), "password": hashed}
        try:
            connection.execute(person.insert().values(**row))
        except IntegrityError as error:
            raise Declined("invalid", "This name is taken; choose another one.") from error

    known = None if invitation is None else digest(invitation)
    store.change(
        player,
        lambda s: join(s, player=player, role="player", terms=digest(terms), consent=consent, invitation=known),
        also=keep,
    )
    return player


def sign_in(store: Store, name: str, password: str) -> str | None:
    """The account's id, or None; a wrong name takes as long as a wrong password."""
    with store.transaction() as connection:
        query = select(person.c.id, person.c.password).where(person.c.folded == " ".join(name.split()).casefold())
        found = connection.execute(query).first()
    try:
        _hasher().verify(str(found.password) if found else _decoy(), password)
    except (VerificationError, InvalidHashError):
        return None
    return str(found.id) if found else None


def open_session(store: Store, player: str) -> str:
    """A session's token, for the cookie."""
    token = secrets.token_urlsafe(32)
    row = {"token": digest(token), "person": player, "csrf": secrets.token_urlsafe(24)}
    with store.transaction(write=True) as connection:
        connection.execute(delete(session).where(session.c.expires < store.now()))
        connection.execute(session.insert().values(**row, expires=store.now() + SESSION_S))
    return token


def find_session(store: Store, token: str) -> Session | None:
    """Whose session it is; None for one that is unknown, over, or of an erased account."""
    with store.transaction() as connection:
        query = (
            select(person.c.id, person.c.name, session.c.csrf)
            .join(person, person.c.id == session.c.person)
            .where(session.c.token == digest(token), session.c.expires > store.now())
        )
        found = connection.execute(query).first()
    if found is None:
        return None
    player = store.read(lambda s: s.players.get(str(found.id)))
    return None if player is None else Session(str(found.id), str(found.name), player.role, str(found.csrf))


def close_session(store: Store, token: str) -> None:
    """Sign out."""
    with store.transaction(write=True) as connection:
        connection.execute(delete(session).where(session.c.token == digest(token)))


def names(store: Store) -> dict[str, str]:
    """Every person's name by id; the erased are not among them."""
    with store.transaction() as connection:
        return {str(row.id): str(row.name) for row in connection.execute(select(person.c.id, person.c.name))}


def export_person(store: Store, player: str) -> dict[str, object]:
    """All that is kept of a person: account, words, and the lines of the log they caused."""
    with store.transaction() as connection:
        account = connection.execute(select(person.c.id, person.c.name).where(person.c.id == player)).first()
        rows = connection.execute(select(word).where(word.c.player == player).order_by(word.c.name, word.c.n))
        written = [{"name": row.name, "n": row.n, "text": row.text} for row in rows]
    entries = store.entries(actor=player)
    return {
        "account": {"id": account.id, "name": account.name} if account else None,
        "words": written,
        "log": [{"seq": one.seq, "at": one.at, **one.event.model_dump(mode="json")} for one in entries],
    }


def erase_person(store: Store, player: str, *, actor: str) -> None:
    """Erase a person's account, sessions and words; the log keeps what their attempts came to."""

    def forget(connection: Connection) -> None:
        connection.execute(delete(word).where(word.c.player == player))
        connection.execute(delete(session).where(session.c.person == player))
        connection.execute(delete(person).where(person.c.id == player))

    store.change(actor, lambda s: erase(s, player), also=forget)


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


@cache
def _decoy() -> str:
    return _hasher().hash(secrets.token_hex(16))
