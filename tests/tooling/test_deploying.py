"""What `deploy/` starts it with: settings, probes and ports that there are, and nobody is root."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from conversation_engine.engine.settings import SETTINGS_PREFIX, Settings
from conversation_engine.entrypoints.cli.main import app

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
COMPOSE = DEPLOY / "compose" / "compose.yaml"
SECRETS = {"CE_SECRET": "s" * 32, "CE_METRICS_TOKEN": "m" * 32, "POSTGRES_PASSWORD": "p", "GRAFANA_PASSWORD": "g"}
COMMANDS = set(get_command(app).commands)  # type: ignore[attr-defined]


def documents() -> Iterator[dict[str, Any]]:
    for path in MANIFESTS:
        yield from yaml.safe_load_all(path.read_text())


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    for one in documents():
        if one["kind"] in ("Deployment", "Job"):
            yield one["metadata"]["name"], one["spec"]["template"]["spec"]


def run(*command: str | Path, **environment: str) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=60, env=environment or None)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class TestSettings:
    def test_whatever_is_set_anywhere_is_a_setting(self) -> None:
        known = {f"{SETTINGS_PREFIX}{name.upper()}" for name in Settings.model_fields}
        for path in (one for one in DEPLOY.rglob("*") if one.is_file() and one.suffix != ".md"):
            named = set(re.findall(r"\bCE_[A-Z_]+[A-Z]\b", path.read_text()))
            assert named <= known, path

    def test_whoever_is_stopped_gets_longer_than_replies_may_take(self) -> None:
        grace = float(yaml.safe_load((DEPLOY / "kubernetes" / "settings.yaml").read_text())["data"]["CE_GRACE_SECONDS"])
        for name, pod in pods():
            pause = 5 if pod["containers"][0].get("lifecycle") else 0
            assert name.endswith("migrate") or pod["terminationGracePeriodSeconds"] >= grace + pause + 5, name
        for unit in UNITS:
            text = unit.read_text()
            [own], [stop] = re.findall(r"CE_GRACE_SECONDS=(\d+)", text), re.findall(r"TimeoutStopSec=(\d+)", text)
            assert int(stop) >= int(own) + 5, unit


class TestImage:
    def test_it_is_nobody_special_and_says_whether_it_is_alive(self) -> None:
        lines = (DEPLOY / "Dockerfile").read_text()
        last = lines.rpartition("\nFROM ")[2]
        assert re.search(r"^USER 10001", last, re.MULTILINE)
        assert "HEALTHCHECK" in last
        assert 'ENTRYPOINT ["convo"]' in last, "SIGTERM must reach it"
        [version] = re.findall(r"UV_VERSION := (\S+)", (ROOT / "Makefile").read_text())
        assert f"uv=={version}" in lines

    def test_all_that_is_copied_is_let_in(self) -> None:
        let_in = set(re.findall(r"^!(\S+)", (DEPLOY / "Dockerfile.dockerignore").read_text(), re.MULTILINE))
        copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
        assert {name for line in copied for name in line.split()} == let_in
        assert all((ROOT / name).exists() for name in let_in)


class TestCompose:
    def test_who_depends_on_whom_is_there_and_healthy(self) -> None:
        services = yaml.safe_load(COMPOSE.read_text())["services"]
        assert services["api"]["deploy"]["replicas"] == 2
        for name, one in services.items():
            if "image" in one and one["image"] != "conversation-engine":
                assert re.search(r":v?\d", one["image"]) or "pg17" in one["image"], f"{name}: which version?"
            else:
                assert one["command"][0] in COMMANDS, name
            for other, how in dict.fromkeys(one["depends_on"]).items() if "depends_on" in one else ():
                how = one["depends_on"][other] if isinstance(one["depends_on"], dict) else {}
                assert other in services, name
                assert how.get("condition") != "service_healthy" or "healthcheck" in services[other], name

    def test_prometheus_asks_those_that_answer(self) -> None:
        compose = yaml.safe_load(COMPOSE.read_text())
        [job] = yaml.safe_load((DEPLOY / "compose" / "prometheus.yml").read_text())["scrape_configs"]
        asked = {(one["names"][0], one["port"]) for one in job["dns_sd_configs"]}
        assert asked == {
            ("api", 8000),
            ("worker", int(compose["services"]["worker"]["environment"]["CE_WORKER_METRICS_PORT"])),
        }

    @pytest.mark.skipif(shutil.which("docker") is None, reason="docker compose is not installed")
    def test_docker_compose_takes_it(self) -> None:
        if subprocess.run(["docker", "compose", "version"], capture_output=True).returncode:
            pytest.skip("docker compose is not installed")
        told = run(
            "docker",
            "compose",
            "-f",
            COMPOSE,
            "config",
            "--format",
            "json",
            **SECRETS,
            PATH="/usr/bin:/usr/local/bin:/bin",
        )
        assert json.loads(told)["services"]["worker"]["environment"]["CE_JOBS_AT_ONCE"] == "4"

    @pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed: apt install prometheus")
    def test_promtool_takes_its_configuration(self) -> None:
        run("promtool", "check", "config", "--syntax-only", DEPLOY / "compose" / "prometheus.yml")


class TestKubernetes:
    def test_every_pod_is_nobody_special_and_bounded(self) -> None:
        assert {name for name, _ in pods()} == {f"conversation-engine-{part}" for part in ("api", "worker", "migrate")}
        for name, pod in pods():
            assert pod["securityContext"]["runAsNonRoot"] is True, name
            [own] = pod["containers"]
            assert own["securityContext"]["readOnlyRootFilesystem"] is True, name
            assert own["securityContext"]["capabilities"] == {"drop": ["ALL"]}, name
            assert own["resources"]["limits"]["memory"], name
            assert own["args"][0] in COMMANDS, name

    def test_probes_ask_what_is_for_them(self) -> None:
        """A database that is away takes servers out of traffic and kills none."""
        [own] = dict(pods())["conversation-engine-api"]["containers"]
        assert own["readinessProbe"]["httpGet"]["path"] == "/readyz"
        assert own["livenessProbe"]["httpGet"]["path"] == own["startupProbe"]["httpGet"]["path"] == "/healthz"

    def test_what_selects_finds_what_it_should(self) -> None:
        labels = [one["spec"]["template"]["metadata"]["labels"] for one in documents() if one["kind"] == "Deployment"]
        for one in documents():
            if one["kind"] in ("Service", "PodDisruptionBudget"):
                selector = one["spec"]["selector"]
                wanted = selector.get("matchLabels", selector)
                assert len([found for found in labels if wanted.items() <= found.items()]) == 1, one["metadata"]["name"]

    @pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
    def test_kustomize_takes_them(self) -> None:
        built = list(yaml.safe_load_all(run("kubectl", "kustomize", DEPLOY / "kubernetes")))
        assert {one["kind"] for one in built} >= {"ConfigMap", "Job", "Deployment", "Service"}
        version = re.search(r'version = "(.+)"', (ROOT / "pyproject.toml").read_text())
        assert version
        assert f"conversation-engine:{version[1]}" in json.dumps(built)


class TestRailway:
    @pytest.mark.parametrize("part", ["api", "worker"])
    def test_it_starts_a_command_that_there_is(self, part: str) -> None:
        config = json.loads((DEPLOY / "railway" / f"{part}.json").read_text())
        assert (ROOT / config["build"]["dockerfilePath"]).is_file()
        [command] = re.findall(r"convo (\w+)", config["deploy"]["startCommand"])
        assert command in COMMANDS
        assert config["deploy"].get("healthcheckPath", "/readyz") == "/readyz"


class TestSystemd:
    @pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
    def test_systemd_takes_the_units(self, tmp_path: Path) -> None:
        for unit in UNITS:
            text = re.sub(r"/opt/convo/bin/convo", "/bin/true", unit.read_text())
            text = re.sub(r"^(User|Group)=convo$", r"\1=root", text, flags=re.MULTILINE)
            (tmp_path / unit.name).write_text(text.replace("EnvironmentFile=", "EnvironmentFile=-"))
        told = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", *map(str, sorted(tmp_path.glob("*.service")))],
            capture_output=True,
            text=True,
            timeout=60,
        )
        ours = [line for line in told.stderr.splitlines() if "convo-" in line]
        assert not ours, ours

    def test_they_start_commands_that_there_are(self) -> None:
        for unit in UNITS:
            [command] = re.findall(r"ExecStart=/opt/convo/bin/convo (\w+)", unit.read_text())
            assert command in COMMANDS, unit
