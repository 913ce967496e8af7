"""`lictor serve`: an OpenAI-compatible endpoint whose every answer is guarded. In: a guard, a model. Out: a server."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from lictor.cli.output import JsonOption, say_json
from lictor.errors import UsageError


def serve(
    *,
    guard: Annotated[Path | None, typer.Argument(help="The guard's folder.  [default: guard]")] = None,
    upstream: Annotated[str | None, typer.Option("--upstream", help="Base URL of the protected model's API.")] = None,
    model: Annotated[str | None, typer.Option("--model", help="Local weights instead, for example MODEL")] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="Settings, see docs/guides/serving.md.")] = None,
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option("--port", help="Port to listen on; 0 takes a free one.")] = None,
    openapi: Annotated[bool, typer.Option("--openapi", help="Print the interface's description and stop.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the settings' JSON Schema and stop.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Serve the protected model behind the guard; logs are JSON lines on stdout."""
    del as_json  # every line is JSON already
    from lictor.server.openapi import description
    from lictor.server.run import run_server
    from lictor.server.settings import ServerSettings, load_settings

    if openapi or schema:
        say_json(description() if openapi else ServerSettings.model_json_schema())
        return
    given = {"guard": guard, "upstream.url": upstream, "upstream.model": model, "host": host, "port": port}
    settings = load_settings(config, os.environ, overrides={k: v for k, v in given.items() if v is not None})
    if not (settings.upstream.url or settings.upstream.model):
        raise UsageError(
            "serve: expected a model to protect, got none; give --upstream URL, or --model REFERENCE for local weights"
        )
    run_server(settings, sys.stdout)
