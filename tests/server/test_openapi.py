"""The description of the interface, and the interface held against it by a fuzzer that others wrote."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.server.serving import guarded

from lictor.server.openapi import description

OPTIONS = os.environ.get("SCHEMATHESIS_OPTIONS", "--max-examples 25 --seed 1").split()
SCHEMATHESIS = os.environ.get("SCHEMATHESIS") or shutil.which("schemathesis") or ""


def test_every_reference_leads_somewhere() -> None:
    """All schemas that the description names are in it."""
    found: Any = description()
    text = json.dumps(found)
    named = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}

    assert named <= set(found["components"]["schemas"])
    assert set(found["paths"]) >= {"/v1/chat/completions", "/v1/messages", "/v1/responses", "/v1/checks"}


@pytest.mark.slow
@pytest.mark.skipif(not SCHEMATHESIS, reason="needs schemathesis")
def test_the_interface_keeps_to_its_description(tmp_path: Path) -> None:
    """Generated requests, right and wrong, never end in a server error or a status that is not described."""
    spec = tmp_path / "openapi.json"
    spec.write_text(json.dumps(description()))
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    with guarded() as server:
        command = [SCHEMATHESIS, "run", str(spec), "--url", server.url, "--checks", checks]
        command += ["--no-color", *OPTIONS]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500, cwd=tmp_path)  # noqa: S603 - what was found above

        assert done.returncode == 0, done.stdout[-6000:]
        assert server.service.gate.open == 0
        assert not server.service.exchanges
