"""Settings as people write them: `${VAR:default}` expanded, and mistakes told with their line.

In: the text of a YAML file. Out: the same with its variables replaced; the line on which a key stands. Knows no
settings.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from lictor.errors import ConfigError

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::([^}]*))?\}")


def expand(text: str, environment: Mapping[str, str], path: Path) -> str:
    """`text` with every variable replaced by its value, or by its default.

    Raises:
        ConfigError: One is not set and has no default.
    """

    def value(match: re.Match[str]) -> str:
        default: str | None = match[2]
        found = environment.get(match[1], default)
        if found is None:
            line = text.count("\n", 0, match.start()) + 1
            raise ConfigError(
                f"{path}:{line}: {match[0]} is not set and has no default; set it or write ${{NAME:default}}"
            )
        return found

    return _VARIABLE.sub(value, text)


def line_of(text: str, keys: Sequence[str]) -> int:
    """The line of a key, given with those above it; that of the last which is there."""
    line = 1
    for key in keys:
        pattern = re.compile(rf"(?:^|[\s{{,]){re.escape(key)}\s*:", re.MULTILINE)
        rest = "\n".join(text.split("\n")[line - 1 :])
        if match := pattern.search(rest):
            line += rest.count("\n", 0, match.end())
    return line
