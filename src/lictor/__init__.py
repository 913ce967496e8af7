"""Lictor: a written constitution in, a working guard for a language model out.

The public names, loaded when first used, so that `import lictor` needs no tensor library.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lictor.assemble import Guard as Guard
    from lictor.constitution import Constitution as Constitution
    from lictor.pipeline.config import load_project as load_project
    from lictor.pipeline.stages import run as run
    from lictor.types import Decision as Decision
    from lictor.types import Message as Message
    from lictor.types import Policy as Policy

_HOMES = {
    "Constitution": "lictor.constitution",
    "Decision": "lictor.types",
    "Guard": "lictor.assemble",
    "Message": "lictor.types",
    "Policy": "lictor.types",
    "load_project": "lictor.pipeline.config",
    "run": "lictor.pipeline.stages",
}

__all__ = ["Constitution", "Decision", "Guard", "Message", "Policy", "load_project", "run"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'lictor' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
