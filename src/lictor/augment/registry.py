"""Find every transform there is.

In: the modules of a package. Out: the transforms they define, by name. There is no list to edit and nothing to
register with: a transform is whatever module-level Transform a module holds. Knows no particular transform.
"""

import difflib
import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from types import MappingProxyType

from lictor.augment.describe import Transform
from lictor.errors import UsageError

LIBRARY = "lictor.augment.library"


@cache
def transforms() -> Mapping[str, Transform]:
    """Every built-in transform by name, ordered by family and name; read once, never changed."""
    return discover(LIBRARY)


def discover(package: str) -> Mapping[str, Transform]:
    """The transforms defined in the modules of `package`, by name, ordered by family and name.

    Raises:
        UsageError: Two different transforms bear one name.
    """
    found: dict[str, Transform] = {}
    for made in _defined_in(package):
        if found.setdefault(made.name, made) is not made:
            raise UsageError(f"{package}: two transforms are called {made.name!r}; names must be unique, rename one")
    ordered = sorted(found.values(), key=lambda made: (made.family, made.name))
    return MappingProxyType({made.name: made for made in ordered})


def get(name: str) -> Transform:
    """The transform called `name`; a step such as `base64@answer` gives its transform.

    Raises:
        UsageError: There is none; the message names the nearest ones.
    """
    bare = name.partition("@")[0]
    try:
        return transforms()[bare]
    except KeyError:
        raise unknown("transform", bare, transforms()) from None


def families() -> tuple[str, ...]:
    """Names of all families, in order."""
    return tuple(dict.fromkeys(made.family for made in transforms().values()))


def unknown(what: str, name: str, known: Iterable[str]) -> UsageError:
    """The error for a name nobody knows, with what it may have been meant to be."""
    options = list(known)
    near = difflib.get_close_matches(name, options, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(options)}"
    return UsageError(f"no {what} is called {name!r}; {hint} (`lictor augment --list` shows all)")


def _defined_in(package: str) -> Iterator[Transform]:
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, Transform):
                yield value
