"""What is written about the server, and shipped with it, is so."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import yaml
from pydantic import BaseModel

from lictor.guard import Guard
from lictor.server.metrics import Metrics
from lictor.server.settings import ServerSettings, load_settings
from lictor.testing import KeywordInputScorer
from lictor.types import Policy

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
GUIDE = (ROOT / "docs" / "guides" / "serving.md").read_text(encoding="utf-8")


def _keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, info in model.model_fields.items():
        parts = [part for part in (info.annotation, *get_args(info.annotation)) if isinstance(part, type)]
        sections = [part for part in parts if issubclass(part, BaseModel)]
        if sections and info.annotation != tuple[sections[0], ...]:
            yield from _keys(sections[0], f"{prefix}{name}.")
        else:
            yield prefix + name


def test_every_setting_is_in_the_guide() -> None:
    """The guide's table names exactly the keys there are."""
    table = [line.split("|")[1] for line in GUIDE.split("| key |")[1].splitlines() if line.startswith("| `")]

    assert sorted(re.findall(r"`([\w.]+)`", " ".join(table))) == sorted(_keys(ServerSettings))


def test_settings_shown_are_settings(tmp_path: Path) -> None:
    """The guide's example and the one for Kubernetes are read without an error."""
    example = GUIDE.split("```yaml\n")[1].split("```")[0].replace("…", "0" * 64)
    manifests = list(yaml.safe_load_all((DEPLOY / "k8s" / "lictor.yaml").read_text()))
    shown = [example, *(m["data"]["server.yaml"] for m in manifests if m["kind"] == "ConfigMap")]

    for text in shown:
        path = tmp_path / "server.yaml"
        path.write_text(text)
        assert load_settings(path, {}).upstream.url
    environment = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["lictor"]["environment"]
    load_settings(None, environment)


def test_dashboards_and_alerts_name_metrics_there_are() -> None:
    """Every metric in the dashboard and the alerts is one the server has."""
    metrics = Metrics()
    metrics.show_guard(Guard(KeywordInputScorer("x"), None, Policy(0.0, 0.0)))
    families = {metric.name for metric in metrics.registry.collect()}
    rules = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"][0]["rules"]
    panels = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())["panels"]
    shown = [rule["expr"] for rule in rules] + [target["expr"] for panel in panels for target in panel["targets"]]

    named = set(re.findall(r"\b(?:lictor|guardrails|gen_ai)_\w+", " ".join(shown)))

    assert named
    assert {re.sub("_(total|bucket|count|sum)$", "", name) for name in named} <= families
