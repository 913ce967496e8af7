"""The server's settings."""

from pathlib import Path

import pytest

from lictor.errors import ConfigError
from lictor.server.settings import ServerSettings, load_settings


def test_file_environment_and_command_line_in_that_order(tmp_path: Path) -> None:
    """Each overrides what came before, key by key."""
    path = tmp_path / "server.yaml"
    path.write_text("port: 1\nlimits: {streams: 2, choices: 3}\nupstream: {url: http://a/v1}\n")
    environment = {"LICTOR_SERVER__LIMITS__STREAMS": "5", "LICTOR_SERVER__PORT": "6", "OTHER": "x"}

    found = load_settings(path, environment, overrides={"port": 7, "upstream.url": "http://b/v1"})

    assert (found.port, found.limits.streams, found.limits.choices) == (7, 5, 3)
    assert found.upstream.url == "http://b/v1"
    assert load_settings(None, {}) == ServerSettings()


def test_variables_in_the_file_are_expanded(tmp_path: Path) -> None:
    """`${VAR:default}` is the variable's value, or the default."""
    path = tmp_path / "server.yaml"
    path.write_text("port: ${PORT:8001}\nupstream: {url: 'http://${MODEL_HOST:localhost}/v1'}\n")

    found = load_settings(path, {"MODEL_HOST": "vllm:8000"})

    assert (found.port, found.upstream.url) == (8001, "http://vllm:8000/v1")


@pytest.mark.parametrize(
    ("text", "environment", "message"),
    [
        ("prot: 1", {}, "prot: extra inputs"),
        ("port: 1\nlimits:\n  stream: 1", {}, "server.yaml:3: limits.stream: extra inputs"),
        ("port: ${PORT}", {}, "server.yaml:1: ${PORT} is not set"),
        ("limits: 7", {"LICTOR_SERVER__LIMITS__STREAMS": "1"}, "expected limits to be a section"),
        ("", {"LICTOR_SERVER__LIMIT__STREAMS": "1"}, "limit: extra inputs"),
        ("", {"LICTOR_SERVER__PORT": "many"}, "port: input should be a valid integer"),
        ("keys: [{name: a, sha256: secret}]", {}, "keys.0.sha256"),
        ("upstream: {url: http://a, model: x}", {}, "expected url or model, got both"),
        ("a: [", {}, "server.yaml:1: expected YAML"),
        ("- a", {}, "expected a mapping"),
        ("version: 2", {}, "version"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, environment: dict[str, str], message: str) -> None:
    """Unknown keys, wrong values and bad YAML are errors that name the key."""
    path = tmp_path / "server.yaml"
    path.write_text(text)

    with pytest.raises(ConfigError) as caught:
        load_settings(path, environment)

    assert message in str(caught.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """The file's name is in the message."""
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        load_settings(tmp_path / "none.yaml", {})
