"""Latchkey's own distribution: what it carries, and what else claims its names."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from zipfile import ZipFile

import pytest

from bot import installed
from tests.test_architecture import ROOT


@pytest.mark.parametrize(
    ("found", "others"),
    [
        ({"bot": ["latchkey-confluent"], "handlers": ["latchkey-confluent"], "yaml": ["PyYAML"]}, []),
        ({}, []),
        ({"bot": ["latchkey-confluent", "latchkey"], "handlers": ["some-handlers"]}, ["latchkey", "some-handlers"]),
        ({"bot": ["bot", "bot"]}, ["bot"]),
    ],
)
def test_another_distribution_with_packages_of_our_names_is_found(
    monkeypatch: pytest.MonkeyPatch, found: Mapping[str, list[str]], others: list[str]
) -> None:
    monkeypatch.setattr(installed, "packages_distributions", lambda: found)

    assert installed.strangers() == others
    said = installed.problem()
    assert (said is None) == (others == [])
    assert all(name in (said or "") for name in others)


def test_the_wheel_carries_the_product_and_no_sandbox(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)

    (wheel,) = tmp_path.glob("*.whl")
    names = ZipFile(wheel).namelist()
    assert wheel.name.startswith("latchkey_confluent-")
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"bot", "handlers"}
    assert {"bot/app-manifest.yml", "bot/py.typed", "bot/store/commit.lua"} <= set(names)
