"""What is shipped for deployment fits the program, its settings and itself."""

import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from tests.server.serving import guarded
from typer.main import get_command

from lictor.cli.main import app
from lictor.server.settings import ServerSettings, load_settings
from lictor.testing.upstreams import SOUP, FakeUpstream, says, wait_until

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
MANIFESTS: list[dict[str, Any]] = list(yaml.safe_load_all((DEPLOY / "k8s" / "lictor.yaml").read_text(encoding="utf-8")))
NGINX = os.environ.get("NGINX") or shutil.which("nginx") or ""
ASK: dict[str, Any] = {"model": "up", "messages": [{"role": "user", "content": "What is for lunch?"}], "stream": True}


def instructions(name: str) -> list[str]:
    """The arguments of every such instruction of the Dockerfile."""
    text = DOCKERFILE.replace("\\\n", " ")
    return [line.removeprefix(name).strip() for line in text.splitlines() if line.startswith(name + " ")]


def image_environment() -> dict[str, str]:
    """What the image sets."""
    return dict(pair.split("=", 1) for line in instructions("ENV") for pair in line.split())


def test_the_image_is_made_of_what_there_is() -> None:
    """Sources are in the build's context, pins are the Makefile's, extras exist, the entry point is a command."""
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    sources = [name for line in instructions("COPY") for name in line.split()[:-1]]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]

    for source in sources:
        assert (ROOT / source).exists()
        assert f"!{source}" in ignored
    for pin in re.findall(r"\b[\w-]+==[\d.]+", DOCKERFILE):
        assert pin in makefile
    for named in re.findall(r"\.\[([\w,]+)\]", DOCKERFILE):
        assert set(named.split(",")) <= extras.keys()
    (entry,) = [yaml.safe_load(line) for line in instructions("ENTRYPOINT")]
    assert entry[0] == "lictor"
    assert entry[1] in get_command(app).commands  # pyright: ignore[reportAttributeAccessIssue]
    assert load_settings(None, image_environment()).host == "0.0.0.0"  # noqa: S104 - in a container
    assert str(ServerSettings().port) in instructions("EXPOSE")


def test_what_is_probed_is_served() -> None:
    """The image's health check and the probes of Kubernetes ask for paths that there are, at the server's port."""
    (pod,) = [m["spec"]["template"]["spec"] for m in MANIFESTS if m["kind"] == "Deployment"]
    (container,) = pod["containers"]
    probed = [container[name]["httpGet"] for name in ("readinessProbe", "livenessProbe", "startupProbe")]
    checked = re.findall(r"127\.0\.0\.1:(\d+)(/\w+)", DOCKERFILE)

    with guarded() as server:
        for path in {probe["path"] for probe in probed} | {path for _, path in checked}:
            assert httpx2.get(server.url + path).status_code == 200
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert {ports[probe["port"]] for probe in probed} == {ServerSettings().port}
    assert {int(port) for port, _ in checked} == {ServerSettings().port}


def test_kubernetes_starts_the_program_as_it_is() -> None:
    """Flags are the command's, mounts are declared and where the image looks, and draining fits into the grace."""
    (deployment,) = [m for m in MANIFESTS if m["kind"] == "Deployment"]
    (service,) = [m for m in MANIFESTS if m["kind"] == "Service"]
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    serve: Any = get_command(app).commands["serve"]  # pyright: ignore[reportAttributeAccessIssue]
    flags = {flag for parameter in serve.params for flag in parameter.opts}
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    labels = deployment["spec"]["template"]["metadata"]["labels"]

    assert {arg for arg in container["args"] if arg.startswith("-")} <= flags
    assert mounts.keys() == {volume["name"] for volume in pod["volumes"]}
    environment = image_environment()
    assert mounts["guard"] == environment["LICTOR_SERVER__GUARD"]
    assert mounts["cache"] == environment["LICTOR_CACHE"]
    (config,) = [m for m in MANIFESTS if m["kind"] == "ConfigMap"]
    path = Path(container["args"][container["args"].index("--config") + 1])
    assert (str(path.parent), path.name in config["data"]) == (mounts["config"], True)
    drain_s = load_settings(None, {}).drain_s
    wait_s = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] >= drain_s + wait_s + 5
    assert service["spec"]["selector"].items() <= labels.items()
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_compose_fits_together() -> None:
    """Files that are mounted exist, services that are named are there, and draining fits into the grace."""
    services = COMPOSE["services"]
    mounted = [str(v).split(":")[0] for s in services.values() for v in s.get("volumes", [])]
    prometheus = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    (scraped,) = prometheus["scrape_configs"][0]["dns_sd_configs"]
    balanced = re.findall(r"server (\w+):(\d+)", (DEPLOY / "nginx.conf").read_text(encoding="utf-8"))

    assert all((DEPLOY / path).exists() for path in mounted if path.startswith("./"))
    assert {path for path in mounted if path.isalpha()} <= COMPOSE["volumes"].keys()
    assert {*scraped["names"], *(name for name, _ in balanced)} <= services.keys()
    assert {scraped["port"], *(int(port) for _, port in balanced)} == {ServerSettings().port}
    assert all((DEPLOY / "prometheus" / name).exists() for name in prometheus["rule_files"])
    assert int(services["lictor"]["stop_grace_period"].removesuffix("s")) >= ServerSettings().drain_s + 5
    assert (DEPLOY / services["lictor"]["build"]["context"] / services["lictor"]["build"]["dockerfile"]).exists()


@contextmanager
def balancing(folder: Path, *replicas: str) -> Generator[str]:
    """The shipped nginx in front of these replicas: its URL."""
    port = 18_000 + os.getpid() % 10_000
    servers = " ".join(f"server {url.removeprefix('http://')} max_fails=1 fail_timeout=5s;" for url in replicas)
    text = re.sub(r"server lictor:8000[^;]*;", servers, (DEPLOY / "nginx.conf").read_text(encoding="utf-8"))
    text = text.replace("listen 8000", f"listen 127.0.0.1:{port}").replace(
        "worker_processes auto", "worker_processes 1"
    )
    paths = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    text = text.replace("http {", f"http {{ access_log off; {paths}")
    (folder / "nginx.conf").write_text(f"daemon off; pid {folder}/pid; error_log {folder}/log;\n{text}")
    command = [NGINX, "-e", str(folder / "log"), "-p", str(folder), "-c", str(folder / "nginx.conf")]
    process = subprocess.Popen(command)  # noqa: S603 - what was found above
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: process.poll() is not None or _answers(url))
        yield url
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx2.get(url + "/healthz").status_code == 200
    except httpx2.ConnectError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not NGINX, reason="needs nginx")
def test_two_replicas_behind_nginx_serve_when_one_is_gone(tmp_path: Path) -> None:
    """Both are asked; a stream arrives as it is written; when one drains or is gone, the other answers them all."""
    upstreams = [FakeUpstream(says(SOUP, delay_s=0.01)) for _ in range(2)]
    with guarded(upstreams[0]) as first, guarded(upstreams[1]) as second:
        with balancing(tmp_path, first.url, second.url) as url:
            with httpx2.stream("POST", url + "/v1/chat/completions", json=ASK, timeout=20) as answer:
                pieces = [piece for piece in answer.iter_text() if piece]
            texts = [httpx2.post(url + "/v1/chat/completions", json=ASK, timeout=20).text for _ in range(4)]
            first.service.is_draining = True
            texts += [httpx2.post(url + "/v1/chat/completions", json=ASK, timeout=20).text for _ in range(4)]
            assert httpx2.get(url + "/metrics").status_code == 404
        with balancing(tmp_path, "http://127.0.0.1:9", second.url) as url:
            texts += [httpx2.post(url + "/v1/chat/completions", json=ASK, timeout=20).text for _ in range(4)]

    assert len(pieces) > 5
    assert all(text.endswith("data: [DONE]\n\n") and '"error"' not in text for text in texts)
    assert min(len(upstream.asked) for upstream in upstreams) >= 2
