"""Measure how fast transforms are, by family, and how many requests keep their meaning through them.

In: a JSONL or Parquet file of examples, or a dataset folder; the emberglass pack when none is given. Out: figures in
docs/results.json: texts a second of one core for every family, and the share of prompts that keep their meaning: by
decoding where there is one, else by the words left or by a judge.

    python benchmarks/transforms.py --texts 400
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from time import process_time

import numpy as np
from scipy.stats import binomtest, bootstrap

from lictor.augment import Kept, Transform, check_meaning, transforms
from lictor.dataset.store import read_dataset
from lictor.evaluation.measures import Figure
from lictor.evaluation.results import record
from lictor.llm.load import load_chat_model
from lictor.starter.folders import resolve

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results.json"
ROUNDS = 20


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else None)
    parser.add_argument("--data", default="starter:emberglass/pack", help="a dataset folder")
    parser.add_argument("--texts", type=int, default=400, help="prompts that every transform is timed on")
    parser.add_argument("--checked", type=int, default=100, help="prompts whose meaning is checked")
    parser.add_argument("--judge", metavar="MODEL", help="a chat model that judges what cannot be decoded")
    parser.add_argument("--judged", type=int, default=8, help="prompts put before the judge, for each transform")
    options = parser.parse_args()
    texts = prompts(resolve(options.data, Path()), options.texts)
    by_family: dict[str, list[Transform]] = defaultdict(list)
    for made in transforms().values():
        by_family[made.family].append(made)
    figures = [speed(family, members, texts) for family, members in by_family.items()]
    kept = check_meaning(transforms().values(), texts[: options.checked])
    figures += [share("decoded", [k for k in kept if k.by == "decoding"])]
    figures += [share("words_left", [k for k in kept if k.by == "words"])]
    if options.judge:
        undecoded = [made for made in transforms().values() if made.decode is None]
        judged = check_meaning(undecoded, texts[: options.judged], judge=load_chat_model(options.judge))
        figures += [share("judged", judged)]
        kept += judged
    for one in kept:
        if one.kept < one.texts:
            print(f"{one.transform}: {one.kept} of {one.texts} kept, by {one.by}")
    shown = [Path(word).name if "/" in word and not word.startswith("starter:") else word for word in sys.argv[1:]]
    record(RESULTS, figures, " ".join(["python benchmarks/transforms.py", *shown]))
    for figure in figures:
        print(
            f"{figure.name}: {figure.value:,.3f} ({figure.low:,.3f} to {figure.high:,.3f}) {figure.unit}, n {figure.n}"
        )


def prompts(folder: Path, count: int) -> list[str]:
    """`count` different plain one-turn prompts, always the same ones."""
    found = sorted({e.prompt[0].content for e in read_dataset(folder) if len(e.prompt) == 1 and not e.transforms})
    order = np.random.default_rng(0).permutation(len(found))[:count]
    return [found[int(at)] for at in order]


def speed(family: str, members: Sequence[Transform], texts: Sequence[str]) -> Figure:
    """Prompts a second of processor time, each transform of the family in turn; the interval is over rounds."""
    rng = np.random.default_rng(0)
    rates: list[float] = []
    for part in np.array_split(np.arange(len(texts)), ROUNDS):
        started = process_time()
        for made in members:
            for at in part:
                made.to_prompt(texts[int(at)], rng)
        rates.append(len(part) * len(members) / (process_time() - started))
    found = bootstrap((np.array(rates),), np.median, confidence_level=0.95, rng=rng).confidence_interval
    n = len(texts) * len(members)
    return Figure(f"transforms/per_second/{family}", float(np.median(rates)), found.low, found.high, n, "texts")


def share(name: str, kept: Sequence[Kept]) -> Figure:
    """All of them together, with an exact interval."""
    total, good = sum(k.texts for k in kept), sum(k.kept for k in kept)
    low, high = binomtest(good, total).proportion_ci(0.95, "exact")
    return Figure(f"transforms/meaning_kept/{name}", good / total, low, high, total, "share")


if __name__ == "__main__":
    main()
