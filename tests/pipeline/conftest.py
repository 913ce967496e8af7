"""What the pipeline's tests share: one finished project about bells, made once by each worker."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lictor.pipeline.config import Project, load_project
from lictor.pipeline.stages import run
from lictor.pipeline.standing import StageReport

from .small import Generator, quiet, write_project


@pytest.fixture(scope="package")
def generator() -> Iterator[Generator]:
    """The endpoint, in a thread of its own."""
    with Generator() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="package")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder of this package's own."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LICTOR_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="package")
def finished(
    tmp_path_factory: pytest.TempPathFactory, generator: Generator, tiny: str, cache: Path
) -> tuple[Project, list[StageReport]]:
    """A project that was run once, and what the run reported. Not to be changed: `copy` it."""
    project = write_project(tmp_path_factory.mktemp("projects") / "bells", generator.reference, tiny)
    return project, run(project, quiet)


@pytest.fixture
def copy(finished: tuple[Project, list[StageReport]], tmp_path: Path) -> Project:
    """A finished project of the test's own."""
    shutil.copytree(finished[0].folder, tmp_path / "bells")
    return load_project(tmp_path / "bells")
