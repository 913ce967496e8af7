"""Find near-duplicates: texts whose word shingles overlap too much. In: texts. Out: which to keep, or pairs."""

import re
from collections.abc import Sequence

from datasketch import MinHash, MinHashLSH

PERMUTATIONS = 64


def keep_distinct(texts: Sequence[str], *, threshold: float = 0.8) -> list[bool]:
    """For each text, whether no earlier kept text has a Jaccard similarity of about `threshold` or more with it."""
    index = MinHashLSH(threshold=threshold, num_perm=PERMUTATIONS)
    kept: list[bool] = []
    for at, text in enumerate(texts):
        sketch = _sketch(text)
        is_new = not index.query(sketch)
        if is_new:
            index.insert(str(at), sketch)
        kept.append(is_new)
    return kept


def near_pairs(texts: Sequence[str], *, threshold: float = 0.8) -> list[tuple[int, int]]:
    """Every pair of indices, lower first, of texts with an estimated Jaccard similarity of `threshold` or more."""
    index = MinHashLSH(threshold=threshold, num_perm=PERMUTATIONS)
    sketches: list[MinHash] = []
    pairs: list[tuple[int, int]] = []
    for at, text in enumerate(texts):
        sketch = _sketch(text)
        earlier = sorted(int(str(found)) for found in index.query(sketch))
        pairs += [(other, at) for other in earlier if sketches[other].jaccard(sketch) >= threshold]
        index.insert(str(at), sketch)
        sketches.append(sketch)
    return pairs


def _sketch(text: str) -> MinHash:
    sketch = MinHash(num_perm=PERMUTATIONS, seed=1)
    sketch.update_batch([s.encode("utf-8", "replace") for s in _shingles(text)])
    return sketch


def _shingles(text: str, size: int = 3) -> set[str]:
    words = re.findall(r"\w+", text.lower())
    return {" ".join(words[i : i + size]) for i in range(max(1, len(words) - size + 1))}
