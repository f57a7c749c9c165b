"""What deploy/ holds is what Kubernetes, systemd and Prometheus take, and names what Latchkey really has."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.domain.audit import Action
from bot.settings import KNOWN, SECRETS
from tests.test_architecture import ROOT

KUBERNETES = ROOT / "deploy" / "kubernetes" / "latchkey.yaml"
UNIT = ROOT / "deploy" / "systemd" / "latchkey.service"
RULES = ROOT / "deploy" / "prometheus" / "latchkey.rules.yml"
EXPOSED = "15"
"""Of 100, by `systemd-analyze security`: a unit without any line has 96."""


def tool(name: str) -> str:
    """Where a tool is; CI has all of them."""
    found = os.environ.get(f"TEST_{name.replace('-', '_').upper()}") or shutil.which(name)
    if found is None and not os.environ.get("TEST_REQUIRE_TOOLS"):
        pytest.skip(f"no {name} here")
    assert found, f"CI has to install {name}"
    return found


def ran(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def objects() -> dict[str, Any]:
    return {each["kind"]: each for each in yaml.safe_load_all(KUBERNETES.read_text())}


def pod() -> dict[str, Any]:
    return dict(objects()["Deployment"]["spec"]["template"]["spec"])


@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_kubernetes_takes_the_manifests(version: str) -> None:
    ran(sys.executable, "-m", "kubernetes_validate", "--strict", "--kubernetes-version", version, KUBERNETES)


def test_two_pods_spread_out_and_leave_one_after_the_other() -> None:
    deployment = objects()["Deployment"]["spec"]
    labels = deployment["template"]["metadata"]["labels"]

    assert deployment["replicas"] == 2
    assert deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert pod()["topologySpreadConstraints"]
    assert objects()["PodDisruptionBudget"]["spec"]["minAvailable"] == 1
    for chosen in (
        deployment["selector"]["matchLabels"],
        objects()["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        objects()["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
        objects()["Service"]["spec"]["selector"],
    ):
        assert chosen.items() <= labels.items()


def test_a_pod_is_restricted_as_the_namespace_enforces() -> None:
    whole, container = pod()["securityContext"], pod()["containers"][0]["securityContext"]

    assert objects()["Namespace"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert whole["runAsNonRoot"] is True
    assert f"USER {whole['runAsUser']}:{whole['runAsGroup']}" in (ROOT / "Dockerfile").read_text()
    assert whole["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod()["automountServiceAccountToken"] is False
    assert {"cpu", "memory"} <= pod()["containers"][0]["resources"]["requests"].keys()
    assert objects()["NetworkPolicy"]["spec"]["policyTypes"] == ["Ingress", "Egress"]


def test_a_pod_has_its_secrets_by_file_and_its_settings_by_name() -> None:
    container = pod()["containers"][0]
    environment = {each["name"]: each["value"] for each in container["env"]}

    assert "Secret" not in objects()
    assert environment.keys() <= KNOWN
    assert environment.keys() & set(SECRETS) == set()
    assert "envFrom" not in container
    mounts = {each["mountPath"] for each in container["volumeMounts"]}
    assert {environment["LATCHKEY_SECRETS_DIR"], str(Path(environment["LATCHKEY_POLICY"]).parent)} <= mounts


def test_a_pod_that_stops_is_out_of_rotation_before_it_stops_answering() -> None:
    """After the hook it turns unready at once, and answers for five seconds more; then it has 25 to finish its work."""
    container = pod()["containers"][0]
    ready, alive = container["readinessProbe"], container["livenessProbe"]

    assert ready["httpGet"]["path"] == "/readyz"
    assert alive["httpGet"]["path"] == container["startupProbe"]["httpGet"]["path"] == "/healthz"
    assert ready["periodSeconds"] * ready["failureThreshold"] < 5
    before: int = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert before > 0
    assert pod()["terminationGracePeriodSeconds"] >= before + 5 + 25


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    """The command is not on this machine, so another one stands in for it."""
    here = tmp_path / UNIT.name
    here.write_text(UNIT.read_text().replace("/opt/latchkey/bin/latchkey run", "/bin/true run"))
    analyze = tool("systemd-analyze")

    assert ran(analyze, "verify", "--man=no", here) == ""
    ran(analyze, "security", "--offline=true", f"--threshold={EXPOSED}", "--no-pager", here)


def test_the_unit_gives_secrets_by_file_and_waits_until_work_is_finished() -> None:
    text = UNIT.read_text()
    handed_over = dict(re.findall(r"^LoadCredential=(\w+):(\S+)$", text, re.MULTILINE))
    set_here = re.findall(r"^Environment=(\w+)=", text, re.MULTILINE)

    assert {name.upper() for name in handed_over} <= set(SECRETS)
    assert all(Path(path).name == name for name, path in handed_over.items())
    assert set(set_here) <= KNOWN - set(SECRETS)
    assert "LATCHKEY_AUDIT_LOG=%S/latchkey/" in text
    assert "StateDirectory=latchkey\n" in text, "the folder that may be written, and that stays"
    (stop,) = re.findall(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)
    assert int(stop) >= 5 + 25


def alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    return list(group["rules"])


def panels() -> list[dict[str, Any]]:
    return list(json.loads((ROOT / "deploy" / "grafana" / "latchkey.json").read_text())["panels"])


def asked_of_prometheus() -> list[str]:
    drawn = [target["expr"] for panel in panels() for target in panel.get("targets", [])]
    return [*drawn, *(alert["expr"] for alert in alerts())]


def test_prometheus_takes_the_alerts_and_they_fire_when_they_should() -> None:
    promtool = tool("promtool")

    ran(promtool, "check", "rules", RULES)
    ran(promtool, "test", "rules", RULES.with_name("latchkey.test.yml"))


def test_prometheus_takes_the_configuration_that_the_page_shows(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "metrics.md").read_text()
    (shown,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "prometheus.yml").write_text(shown)
    shutil.copy(RULES, tmp_path)

    ran(tool("promtool"), "check", "config", tmp_path / "prometheus.yml")
    published = "".join((ROOT / name).read_text() for name in ("compose.yaml", "compose.http.yaml"))
    assert all(f'"{target}:8080"' in published for target in re.findall(r"127\.0\.0\.1:\d+", shown))


def test_prometheus_takes_what_the_dashboard_asks(tmp_path: Path) -> None:
    drawn = [
        target["expr"].replace("$__rate_interval", "5m") for panel in panels() for target in panel.get("targets", [])
    ]
    rules = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(drawn)]
    (tmp_path / "drawn.yml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))

    assert len(drawn) > 20
    ran(tool("promtool"), "check", "rules", tmp_path / "drawn.yml")


def test_alerts_and_dashboard_ask_for_metrics_that_there_are() -> None:
    """tests/runtime/test_metrics.py holds that docs/metrics.md lists what is exported."""
    listed = set(re.findall(r"^\| `(latchkey_\w+)", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE))
    asked = {name for expr in asked_of_prometheus() for name in re.findall(r"\b(?:latchkey|process)_\w+", expr)}
    asked = {name.removesuffix("_bucket") for name in asked}

    assert len(listed) > 20
    assert asked - listed == {"process_resident_memory_bytes"}


def test_alerts_and_dashboard_ask_for_actions_that_there_are() -> None:
    named = [part for expr in asked_of_prometheus() for part in re.findall(r'action=~?"([^"]*)"', expr)]

    assert named
    assert {action for part in named for action in part.split("|")} <= set(map(str, Action))


def test_an_alert_says_how_urgent_it_is_and_what_is_wrong() -> None:
    names = [alert["alert"] for alert in alerts()]

    assert len(names) == len(set(names)) == 17
    assert {alert["labels"]["severity"] for alert in alerts()} == {"page", "ticket"}
    assert all(alert["annotations"]["summary"].endswith(".") for alert in alerts())


def test_panels_of_the_dashboard_lie_beside_each_other() -> None:
    places = [panel["gridPos"] for panel in panels()]
    cells = [
        (place["x"] + right, place["y"] + down)
        for place in places
        for right in range(place["w"])
        for down in range(place["h"])
    ]

    assert len(cells) == len(set(cells))
    assert max(right for right, _ in cells) < 24
    assert len({panel["id"] for panel in panels()}) == len(places)
