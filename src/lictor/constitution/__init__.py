"""The user's rules: read from a file, fingerprinted, linted and compared.

`Constitution.load(path)` is the way in; `lint` says what a person should look at again, and
`lictor.constitution.diff.diff` says which rules an edit touched.
"""

from lictor.constitution.check import Finding, lint
from lictor.constitution.rule import Rule
from lictor.constitution.rules import Constitution

__all__ = ["Constitution", "Finding", "Rule", "lint"]
