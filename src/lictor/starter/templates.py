"""The files `lictor init` writes: a constitution to start from, and a project file.

In: the name of a template. Out: text. Knows no folder to write to.
"""

from importlib.resources import files

from lictor.errors import UsageError

DESCRIPTIONS = {
    "emberglass": "the worked domain: an invented glass under an invented treaty, with data ready to train on",
    "tutor": "a mathematics tutor that must not give the answer away",
    "conduct": "an employer's code of conduct for an assistant at work",
    "financial-advice": "a bank's assistant: general education, but no individual advice",
    "medical-dosing": "health information, but no doses for an individual",
    "chemical-weapons": "chemical weapons, at category level and without examples",
}
"""What each template is for, by name, the default first."""


def read_constitution(template: str) -> str:
    """The text of `constitution.yaml` for `template`.

    Raises:
        UsageError: There is no such template.
    """
    if template not in DESCRIPTIONS:
        raise UsageError(f"no template {template!r}; expected one of: {', '.join(DESCRIPTIONS)}")
    starter = files("lictor.starter")
    if template == "emberglass":
        return (starter / "emberglass" / "constitution.yaml").read_text(encoding="utf-8")
    return (starter / "templates" / f"{template}.yaml").read_text(encoding="utf-8")


def read_project(template: str) -> str:
    """The text of `lictor.yaml` for `template`: its own where it has one, else the one they share."""
    own = files("lictor.starter") / template / "lictor.yaml"
    shared = files("lictor.starter") / "templates" / "lictor.yaml"
    return (own if own.is_file() else shared).read_text(encoding="utf-8")
