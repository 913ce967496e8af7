"""Every error Lictor raises on purpose, as one tree.

    LictorError
    ├── UsageError            wrong use: a bad option, a missing file              (exit 2)
    │   ├── ConstitutionError a rule file that cannot be read as one
    │   ├── ConfigError       lictor.yaml that cannot be read as one
    │   └── ModelNotFoundError a model reference that leads nowhere from here
    ├── ArtifactError         a folder that is missing, truncated or tampered with (exit 1)
    ├── DataError             a dataset that is empty or malformed                 (exit 1)
    ├── GenerationError       a generator that gave nothing usable                 (exit 1)
    ├── CalibrationError      too few samples, or no threshold fits the budget     (exit 1)
    └── ScoringError          a scorer failed; the guard turns it into a block     (exit 1)

A message says what, expected, got, and what to do. Knows no other module.
"""


class LictorError(Exception):
    """Whatever Lictor raises on purpose; `exit_code` is what the command line ends with."""

    exit_code = 1


class UsageError(LictorError):
    """The caller asked for something that cannot be done as asked."""

    exit_code = 2


class ConstitutionError(UsageError):
    """A constitution file cannot be read; the message starts with `file:line:`."""


class ConfigError(UsageError):
    """A project file cannot be read; the message starts with `file:line:` where there is one."""


class ModelNotFoundError(UsageError):
    """A model reference is malformed, or its weights cannot be found from this machine."""


class ArtifactError(LictorError):
    """An artefact folder is missing, incomplete, truncated or altered."""


class DataError(LictorError):
    """A dataset is empty or a row of it is malformed."""


class GenerationError(LictorError):
    """A generator returned nothing that survived the filters."""


class CalibrationError(LictorError):
    """No threshold can be promised: too few benign conversations, or none fits the budget."""


class ScoringError(LictorError):
    """A scorer could not score; the guard fails closed on it.

    `reason` is the type of failure a decision records, for example `conversation_too_long`.
    """

    def __init__(self, message: str, *, reason: str = "scorer_failed") -> None:
        super().__init__(message)
        self.reason = reason
