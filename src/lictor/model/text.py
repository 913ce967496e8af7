"""How a conversation becomes the text and tokens a scorer reads.

In: conversations, answers. Out: token ids. The answer's tokens are those the guard commits (guard/tokens.py), since
both cut text into the same segments; this module may not import the guard, so the cut is passed in. Knows no model.

Cites: CC1 section 3.4 and appendix 5.7 (the task template around a dialog).
"""

import re
from collections.abc import Sequence
from importlib import resources
from typing import get_args

from transformers import PreTrainedTokenizerFast

from lictor.errors import ScoringError
from lictor.types import Conversation, Role, Token

MAX_INPUT_TOKENS = 4096

_ROLE_LINE = re.compile("(?<=[\n\r\v\f\x1c-\x1e\x85\u2028\u2029])" + f"(?=(?:{'|'.join(get_args(Role))}):)")
"""Where a role stands at the start of a line, after any character that Unicode breaks lines at."""


def input_template() -> tuple[str, str]:
    """The text before and after the dialog in templates/input.md."""
    text = (resources.files("lictor.model") / "templates" / "input.md").read_text(encoding="utf-8").rstrip("\n")
    before, _, after = text.partition("{dialog}")
    return before, after


def dialog_text(conversation: Conversation) -> str:
    """The conversation with its roles as escaped plain text: a user's `assistant:` line or end tag stays inside."""
    return "\n".join(f"{m.role}: {_escape(m.content)}" for m in conversation)


def input_ids(conversation: Conversation, tokenizer: PreTrainedTokenizerFast, limit: int) -> list[int]:
    """Token ids of the task template around the conversation.

    Raises:
        ScoringError: Over `limit` tokens: a typed block, since what is not read must not pass.
    """
    before, after = input_template()
    return _within(before + dialog_text(conversation) + after, tokenizer, limit, "input")


def opening_ids(conversation: Conversation, tokenizer: PreTrainedTokenizerFast, limit: int) -> list[int]:
    """Token ids of the task template up to where the answer to `conversation` begins.

    Raises:
        ScoringError: As `input_ids`.
    """
    before, _ = input_template()
    return _within(f"{before}{dialog_text(conversation)}\nassistant:", tokenizer, limit, "exchange")


def closing_ids(tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """Token ids of what the task template asks after the dialog."""
    return tokenizer.encode(input_template()[1], add_special_tokens=False)


def replace_surrogates(text: str) -> str:
    """`text` with each lone surrogate as U+FFFD, one for one."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if not _is_plain(text) else text


class SegmentTokenizer:
    """A Hugging Face tokenizer as `types.Tokenizer`: one segment at a time, each token with its end character."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self._backend = tokenizer.backend_tokenizer

    def encode(self, segment: str) -> Sequence[Token]:
        """Tokens of `segment`; a token that ends inside a character ends where the character does."""
        found = self._backend.encode(segment, add_special_tokens=False)
        return [Token(i, end) for i, (_, end) in zip(found.ids, found.offsets, strict=True)]


def _within(text: str, tokenizer: PreTrainedTokenizerFast, limit: int, scorer: str) -> list[int]:
    # A token holds 32 characters at most in practice; this spares tokenising what cannot fit.
    if len(text) <= limit * 32:
        ids = tokenizer.encode(replace_surrogates(text), add_special_tokens=False)
        if len(ids) <= limit:
            return ids
    raise ScoringError(
        f"the conversation is over {limit} tokens, the most the {scorer} scorer reads; shorten it",
        reason="conversation_too_long",
    )


def _escape(text: str) -> str:
    return _ROLE_LINE.sub(" ", text.replace("</", "<\\/"))


def _is_plain(text: str) -> bool:
    return not any("\ud800" <= c <= "\udfff" for c in text)
