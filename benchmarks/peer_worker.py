"""One guard from another package, in an environment of its own: texts come in as JSON lines, verdicts go out.

In: the name of a peer; lines `{"id": ..., "text": ...}` on stdin. Out: lines `{"id": ..., "flagged": true or false}` on
stdout. Knows nothing of Lictor, and is run by the interpreter of the environment that has the peer's package.
"""

import json
import os
import sys
from collections.abc import Callable
from typing import Any


def promptshields() -> Callable[[str], bool]:
    """The balanced shield."""
    from promptshield import Shield  # pyright: ignore[reportMissingImports] -- in the peer's environment

    shield: Any = Shield.balanced()
    return lambda text: bool(shield.protect_input(text, "You are a helpful assistant.")["blocked"])


def prompt_guardrail() -> Callable[[str], bool]:
    """Anything but its label for safe text."""
    import guardify  # pyright: ignore[reportMissingImports] -- in the peer's environment

    safe = {"benign", "safe", "legit", "normal", "0", "clean"}
    return lambda text: str(guardify.detect(text)["label"]).lower() not in safe


def aicordon() -> Callable[[str], bool]:
    """Its rules."""
    from aicordon import picket  # pyright: ignore[reportMissingImports] -- in the peer's environment

    loaded: Any = picket.load()
    return lambda text: bool(loaded.check(text).flagged)


def metatronnanoguard() -> Callable[[str], bool]:
    """Anything but its label for safe text."""
    from nanoguard import NanoGuard  # pyright: ignore[reportMissingImports] -- in the peer's environment

    guard: Any = NanoGuard()
    return lambda text: str(guard.scan(text).label).lower() not in {"benign", "safe"}


def profanity_check() -> Callable[[str], bool]:
    """Offensive with a probability of a half or more."""
    from profanity_check import predict_prob  # pyright: ignore[reportMissingImports] -- in the peer's environment

    return lambda text: float(predict_prob([text])[0]) >= 0.5


def hatesonar() -> Callable[[str], bool]:
    """Hate speech or offensive language as the top class."""
    from hatesonar import Sonar  # pyright: ignore[reportMissingImports] -- in the peer's environment

    sonar: Any = Sonar()
    return lambda text: str(sonar.ping(text=text)["top_class"]) != "neither"


PEERS = {
    made.__name__: made
    for made in (promptshields, prompt_guardrail, aicordon, metatronnanoguard, profanity_check, hatesonar)
}


def main() -> None:
    """Answer line by line until stdin ends; what a peer prints of its own accord goes to stderr."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    is_flagged = PEERS[sys.argv[1]]()
    print(json.dumps({"ready": sys.argv[1]}), file=replies, flush=True)
    for line in sys.stdin:
        row = json.loads(line)
        print(json.dumps({"id": row["id"], "flagged": is_flagged(row["text"])}), file=replies, flush=True)


if __name__ == "__main__":
    main()
