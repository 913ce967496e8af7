"""How well a shallow model tells the labels apart, and where it disagrees with them.

In: texts, labels, families. Out: cross-validated probabilities and an AUROC. Knows no example and no constitution:
what scores high here could be learned without reading for meaning.
"""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer

from lictor.dataset.templates import template_of

FOLDS = 5

Floats = NDArray[np.float64]


def by_words(texts: Sequence[str], labels: Sequence[int], families: Sequence[str]) -> Floats | None:
    """Probability of label 1 for each text by its words alone, from folds that do not hold its family.

    None where there are too few families of either label to say.
    """
    words = CountVectorizer(binary=True, max_features=20_000, token_pattern=r"\w+")  # noqa: S106 -- no password
    model = make_pipeline(words, LogisticRegression(solver="liblinear", class_weight="balanced"))
    return _out_of_fold(model, np.array(texts, dtype=object), labels, families)


def by_length(texts: Sequence[str], labels: Sequence[int], families: Sequence[str]) -> Floats | None:
    """Probability of label 1 for each text by its number of characters alone; None as in `by_words`."""
    ranks = rankdata([len(text) for text in texts]).reshape(-1, 1)  # (texts, 1)
    if len(set(labels)) == 2 and len(set(ranks[:, 0])) == 1:
        return np.full(len(texts), 0.5)
    bins = KBinsDiscretizer(n_bins=10, encode="onehot", strategy="uniform")
    model = make_pipeline(bins, LogisticRegression(class_weight="balanced"))
    return _out_of_fold(model, ranks, labels, families)


def by_template(texts: Sequence[str], labels: Sequence[int], families: Sequence[str]) -> Floats | None:
    """Probability of label 1 for each text by its template alone; None as in `by_words`."""
    templates = CountVectorizer(binary=True, analyzer=cast("Any", _template_as_feature))
    model = make_pipeline(templates, LogisticRegression(solver="liblinear", class_weight="balanced"))
    return _out_of_fold(model, np.array(texts, dtype=object), labels, families)


def disagreements(labels: Sequence[int], p_restricted: Floats) -> NDArray[np.bool_]:
    """Which labels the texts speak against as firmly as for a text that bears the other label.

    A label is doubted where the probability of the other one is at least the mean that texts of that other label get,
    and higher than that of its own.

    Cites: Northcutt et al. 2021, "Confident Learning", arXiv:1911.00068.
    """
    y = np.array(labels) == 1
    restricted_at, permitted_at = p_restricted[y].mean(), (1 - p_restricted)[~y].mean()
    as_restricted = ~y & (p_restricted >= restricted_at) & (p_restricted > 0.5)
    as_permitted = y & (1 - p_restricted >= permitted_at) & (p_restricted < 0.5)
    return as_restricted | as_permitted


def auroc(labels: Sequence[int], p_restricted: Floats) -> float:
    """Chance that a text of label 1 gets a higher probability than one of label 0; 0.5 is none."""
    return float(roc_auc_score(np.array(labels), p_restricted))


def _template_as_feature(text: str) -> list[str]:
    return [template_of(text) or ""]


def _out_of_fold(model: Any, features: Any, labels: Sequence[int], families: Sequence[str]) -> Floats | None:
    y, groups = np.array(labels), np.array(families, dtype=object)
    fewest = min((len(set(groups[y == label])) for label in (0, 1)), default=0)
    if fewest < FOLDS:
        return None
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    p = cast("Floats", cross_val_predict(model, features, y, groups=groups, cv=folds, method="predict_proba"))
    return p[:, 1]
