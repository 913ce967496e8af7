"""Where the worked domains' files stand. In: a name. Out: a folder. Knows nothing of what they are for."""

from importlib import resources
from pathlib import Path

from lictor.errors import ConfigError

PREFIX = "starter:"


def resolve(path: str, base: Path) -> Path:
    """The folder meant by `path`: `starter:NAME...` inside the package, anything else relative to `base`.

    Raises:
        ConfigError: There is no such folder.
    """
    if path.startswith(PREFIX):
        folder = Path(str(resources.files("lictor.starter"))) / path.removeprefix(PREFIX)
    else:
        folder = base / path
    if not folder.is_dir():
        raise ConfigError(
            f"{path}: expected a folder, found none at {folder}; of the starter there are starter:emberglass and "
            "starter:tutor"
        )
    return folder
