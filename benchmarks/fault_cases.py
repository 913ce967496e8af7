"""The faults of the table, in its order. In: nothing. Out: a name and a function each."""

from fault_clients import (
    deep_nesting,
    large_prompt,
    malformed_json,
    many_messages,
    slow_reader,
    slow_sender,
    vanishing_client,
)
from fault_server import CRASHES
from fault_tries import Case
from fault_upstreams import (
    CONTROL,
    crashing,
    garbage,
    half_characters,
    lying,
    malformed_sse,
    no_done,
    repeating,
    resetting,
    stalling,
)

CASES = (
    CONTROL,
    Case("malformed JSON", malformed_json),
    Case("malformed SSE", malformed_sse),
    Case("half a character across chunks", half_characters),
    Case("10 MB prompt", large_prompt, 0.1),
    Case("10,000 messages", many_messages, 0.2),
    Case("deep nesting", deep_nesting),
    Case("slow sender", slow_sender, 0.4, is_slow=True),
    Case("slow reader", slow_reader, 0.1, is_slow=True, needs_words=True),
    Case("client vanishes", vanishing_client),
    Case("upstream stalls", stalling, is_slow=True),
    Case("upstream resets", resetting),
    Case("upstream lies in its head", lying),
    Case("upstream sends garbage", garbage),
    Case("upstream repeats", repeating, is_slow=True),
    Case("upstream ends without [DONE]", no_done),
    Case("scorer crashes", crashing(*[word for word in CRASHES if word != "hungry"]), needs_words=True),
    Case("scorer out of memory", crashing("hungry"), needs_words=True),
)
