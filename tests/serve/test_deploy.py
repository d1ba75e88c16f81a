"""What is handed out to run the service with."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from costream.serve.config.load import read_config

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("systemd-analyze is not installed")
    text = (DEPLOY / "costream.service").read_text()
    unit = tmp_path / "costream.service"
    # What it starts is not installed here.
    unit.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.M))
    done = subprocess.run([verify, "verify", unit], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_image_is_built_of_what_there_is() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.M)
    sources = [source for line in copied for source in line.split()]
    admitted = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    assert "pyproject.toml" in sources
    for source in sources:
        assert (ROOT / source).exists()
        assert f"!{source}" in admitted


def test_compose_builds_that_image() -> None:
    compose = YAML(typ="safe").load(DEPLOY / "compose.yaml")
    for service in compose["services"].values():
        build = service["build"]
        assert (DEPLOY / build["context"] / build["dockerfile"]).is_file()
        assert service["read_only"] and service["cap_drop"] == ["ALL"]
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])


def test_the_manifest_for_kuberay_has_the_version_and_the_command_that_are_tested() -> None:
    cluster, claim, service = YAML(typ="safe").load_all(DEPLOY / "raycluster.yaml")
    assert (cluster["kind"], claim["kind"]) == ("RayCluster", "PersistentVolumeClaim")
    pinned = (ROOT / "constraints.txt").read_text()
    assert f"ray=={cluster['spec']['rayVersion']}\n" in pinned
    groups = [cluster["spec"]["headGroupSpec"], *cluster["spec"]["workerGroupSpecs"]]
    containers = [one for group in groups for one in group["template"]["spec"]["containers"]]
    for container in containers:
        assert container["command"] == ["/bin/bash", "-c"]
        assert "$KUBERAY_GEN_RAY_START_CMD" in "".join(container["args"]).replace("{", "")
        assert {"name": "RAY_USAGE_STATS_ENABLED", "value": "0"} in container["env"]
    (front,) = [one for one in containers if "costream serve" in "".join(one["args"])]
    assert "--cluster auto" in front["args"][0]
    labels = cluster["spec"]["workerGroupSpecs"][0]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()


def test_the_file_for_ray_up_starts_ray_as_the_recipe_does() -> None:
    file = YAML(typ="safe").load(DEPLOY / "ray-up.yaml")
    head, worker = (file[f"{name}_start_ray_commands"][-1] for name in ("head", "worker"))
    assert "ray start --head" in head and "--disable-usage-stats" in head
    assert "ray start --address $RAY_HEAD_IP:6379" in worker
    assert all("RAY_AUTH_MODE=token" in command for command in (head, worker))


@pytest.mark.parametrize("name", ["serving.md", "configuration.md"])
def test_files_in_the_documents_are_right(name: str, tmp_path: Path) -> None:
    text = (ROOT / "docs" / name).read_text()
    for block in re.findall(r"^```yaml\n(.*?)^```", text, re.M | re.S):
        if "trigger:" in block:  # Home Assistant's
            continue
        file = tmp_path / "cameras.yaml"
        file.write_text(block)
        known = {"DOOR_PASSWORD": "x", "MQTT_PASSWORD": "x"}
        problems = [
            problem
            for problem in read_config(file, known).problems
            if "can't read the file" not in problem.message
        ]
        assert problems == []
