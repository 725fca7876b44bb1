"""The files of docs/examples/deploy: each is loaded by what it is for, or held against the schema of that."""

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from climb_assets.config_file import load_config
from dagster_project.instance import open_instance
from tests.integration.processes import ROOT, launch, wait_until
from tests.postgres_server import PostgresServer, run_postgres

DEPLOY = ROOT / "docs" / "examples" / "deploy"
FILES = sorted(path.relative_to(DEPLOY).as_posix() for path in DEPLOY.rglob("*") if path.is_file())
ENVIRONMENT = {"CLIMB_IMAGE": "climb:1", "CLIMB_NAMESPACE": "climb", "CLIMB_CODE_HOST": "127.0.0.1"}
SCRIPTS = ("slurm/ray_node.sh", "slurm/climb.sbatch")


def read(name: str) -> Any:
    """Return what a YAML file holds."""
    return yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """Return a running PostgreSQL server."""
    with run_postgres() as started:
        yield started


def test_every_file_is_in_the_page_and_none_holds_a_secret() -> None:
    page = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    for name in FILES:
        assert f"examples/deploy/{name}" in page, name
        text = (DEPLOY / name).read_text(encoding="utf-8")
        for found in re.findall(r"(?i)(?:password|token|secret)\w*[=:] *[\"']?(\w+)", text):
            assert found in ("PASSWORD", "token", "climb"), f"{name}: {found}"


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith("dagster.yaml")])
def test_dagster_opens_the_instance(
    name: str, server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(DEPLOY / name, home)
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", server.create("of_" + name.partition("/")[0]))
    for variable, value in ENVIRONMENT.items():
        monkeypatch.setenv(variable, value)
    with open_instance(tmp_path / "lake") as instance:
        assert instance.run_monitoring_enabled and not instance.telemetry_enabled
        assert instance.get_dynamic_partitions("shard") == []
    assert list(home.rglob("*.db")) == []
    launcher = read(name).get("run_launcher")
    if launcher is not None:
        module = pytest.importorskip(launcher["module"])
        require_valid(getattr(module, launcher["class"]).config_type(), launcher["config"])


def require_valid(schema: Any, config: Any) -> None:
    """Hold a configuration against the schema of a class of Dagster's."""

    @dg.op(config_schema=schema)
    def configured() -> None:
        """Take the configuration."""

    @dg.job
    def holder() -> None:
        configured()

    dg.validate_run_config(holder, {"ops": {"configured": {"config": config}}})


def test_the_services_of_compose_fit_the_launcher_and_publish_on_loopback_alone() -> None:
    compose, launcher = read("docker/compose.yaml"), read("docker/dagster.yaml")["run_launcher"]["config"]
    services = compose["services"]
    assert [port for service in services.values() for port in service.get("ports", [])] == ["127.0.0.1:3000:3000"]
    assert compose["networks"][launcher["network"]]["name"] == launcher["network"]
    names = {volume.partition(":")[0] for volume in launcher["container_kwargs"]["volumes"]}
    assert all(compose["volumes"][name]["name"] == name for name in names)
    for name in ("code", "web", "daemon"):
        service = services[name]
        assert set(launcher["env_vars"]) <= service["environment"].keys()
        assert set(launcher["container_kwargs"]["volumes"]) <= set(service["volumes"])
        program, *arguments = shlex.split(service["command"])
        assert Path(sys.executable).with_name(program).exists()
        files = [word for word in arguments if word.endswith((".yaml", ".py"))]
        assert files and all((ROOT / file).exists() for file in files)
        hosts = [arguments[place + 1] for place, word in enumerate(arguments) if word == "--host"]
        assert hosts in ([], [name]), "it listens under its own name in the network"


def test_the_image_is_made_of_files_and_extras_that_there_are() -> None:
    text = (DEPLOY / "docker" / "Dockerfile").read_text(encoding="utf-8")
    assert {line.split()[0] for line in text.splitlines() if line and line[0] != "#"} <= {
        *("FROM", "WORKDIR", "COPY", "RUN", "ENV"),
    }
    for source in re.findall(r"^COPY (\S+) ", text, re.MULTILINE):
        assert (ROOT / source).exists()
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (extras,) = re.findall(r"'\.\[(.*)\]'", text)
    assert all(f"\n{extra} = [" in project for extra in extras.split(","))
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert re.findall(r"\S+==\S+", text)[0] in pins


@pytest.mark.slow
def test_the_code_server_is_loaded_by_the_workspace(project: Path, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    workspace = tmp_path / "workspace.yaml"
    workspace.write_text((DEPLOY / "docker" / "workspace.yaml").read_text().replace("4000", port))
    words = shlex.split(read("docker/compose.yaml")["services"]["code"]["command"])
    there = {"code": "127.0.0.1", "4000": port, "/opt/climb": str(ROOT)}
    program, *arguments = [there.get(word, word) for word in words]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLIMB_CONFIG", str(project / "climb.yaml"))
        started = launch([Path(sys.executable).with_name(program), *arguments], tmp_path / "code.log")
    try:
        wait_until(lambda: answers(port) or started.process.poll() is not None, 120, "the code server", 0.5)
        ended = subprocess.run(
            [Path(sys.executable).with_name("dagster"), "definitions", "validate", "-w", workspace],
            env={**os.environ, **ENVIRONMENT},
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr + started.log.read_text()
    finally:
        started.end_family()


def answers(port: str) -> bool:
    """Return whether something listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(port))) == 0


def test_the_ray_cluster_is_what_kuberay_takes_and_the_configuration_joins_it() -> None:
    cluster = read("kubernetes/raycluster.yaml")
    assert (cluster["apiVersion"], cluster["kind"]) == ("ray.io/v1", "RayCluster")
    spec = cluster["spec"]
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert f"ray=={spec['rayVersion']}" in pins
    assert spec["authOptions"]["mode"] == "token" and spec["headGroupSpec"]["serviceType"] == "ClusterIP"
    lakes = []
    for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        require_fields("V1PodTemplateSpec", group["template"])
        (container,) = group["template"]["spec"]["containers"]
        lakes += [mount["mountPath"] for mount in container["volumeMounts"]]
    launcher = read("kubernetes/dagster.yaml")["run_launcher"]["config"]
    for name, model in (("volumes", "V1Volume"), ("volume_mounts", "V1VolumeMount")):
        for entry in launcher[name]:
            require_fields(model, entry)
    assert spec["authOptions"]["secretName"] in launcher["env_secrets"]
    config = load_config(DEPLOY / "kubernetes" / "climb.yaml")
    assert {str(config.lake), *(mount["mountPath"] for mount in launcher["volume_mounts"])} == set(lakes)
    assert config.runtime.backend == "ray"
    assert config.runtime.ray.address == f"{cluster['metadata']['name']}-head-svc:6379"


def require_fields(model: str, value: dict[str, Any]) -> None:
    """Check that Kubernetes knows every field of an object, and of what is in it."""
    models = pytest.importorskip("kubernetes.client.models")
    known = getattr(models, model)
    named = {name: known.openapi_types[attribute] for attribute, name in known.attribute_map.items()}
    assert value.keys() <= named.keys(), (model, value)
    for name, inner in value.items():
        kind = re.sub(r"^list\[(.*)\]$", r"\1", named[name])
        if hasattr(models, kind):
            for one in inner if isinstance(inner, list) else [inner]:
                require_fields(kind, one)


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_shell_reads_the_script(name: str) -> None:
    assert subprocess.run(["bash", "-n", DEPLOY / name], capture_output=True).returncode == 0
    lines = (DEPLOY / name).read_text(encoding="utf-8").splitlines()
    options = [number for number, line in enumerate(lines) if line.startswith("#SBATCH")]
    assert options in ([], list(range(1, 1 + len(options)))), "Slurm reads them up to the first command"


def run_node(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the script of a Ray cluster's machine to its end."""
    environment = {**{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}, **variables}
    command = ["bash", DEPLOY / "slurm" / "ray_node.sh", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_no_machine_of_a_ray_cluster_is_started_without_a_secret() -> None:
    refused = run_node("head", "127.0.0.1", "6379")
    assert refused.returncode != 0 and "RAY_AUTH_TOKEN" in refused.stderr
    assert run_node("guest", "127.0.0.1", "6379", RAY_AUTH_TOKEN="some").returncode == 2
