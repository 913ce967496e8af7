"""The benign conversations a project brings for calibration: files its settings name, and its own traffic.

In: a project. Out: examples, and a key that changes with any of the files. Traffic is what `lictor calibrate --from`
took into the project's `traffic/` folder. Knows no scorer.
"""

from lictor.artifacts import fingerprint
from lictor.dataset.imports import read_benign, shape_named
from lictor.errors import ConfigError
from lictor.pipeline.config import PoolSection, Project
from lictor.types import Example


def pools_of(project: Project) -> tuple[PoolSection, ...]:
    """All pools, those of the settings first."""
    traffic = sorted(project.traffic.glob("*.jsonl"))
    return *project.config.benign, *(PoolSection(path=path, source=path.stem) for path in traffic)


def check_pools(project: Project) -> None:
    """See that every pool can be read.

    Raises:
        ConfigError: A file is not there.
        UsageError: No such public set is known.
    """
    for pool in pools_of(project):
        if pool.rows_of:
            shape_named(pool.rows_of)
        if not (project.folder / pool.path).is_file():
            raise ConfigError(f"benign: expected a file of conversations at {project.folder / pool.path}, found none")


def read_pools(project: Project) -> list[Example]:
    """Every pool's conversations."""
    return [
        example
        for pool in pools_of(project)
        for example in read_benign(project.folder / pool.path, source=pool.source, rows_of=pool.rows_of)
    ]


def pools_key(project: Project) -> object:
    """What tells one set of pools from another."""
    return [
        (
            pool.source,
            fingerprint((project.folder / pool.path).read_bytes().hex()),
            *filter(None, [pool.rows_of]),
        )
        for pool in pools_of(project)
    ]
