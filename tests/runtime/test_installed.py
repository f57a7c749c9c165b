"""Latchkey's own distribution: what it carries, and what else claims its names."""

import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from importlib.metadata import distributions
from pathlib import Path
from zipfile import ZipFile

import pytest

from bot import installed
from tests.test_architecture import ROOT


def distribution(folder: Path, name: str, *files: str, declared: str = "") -> None:
    """What an installer leaves in the folder."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "RECORD").write_text("".join(f"{file},sha256=x,1\n" for file in (*files, f"{info.name}/METADATA")))
    if declared:
        (info / "top_level.txt").write_text(declared)


@pytest.mark.parametrize(
    ("found", "others"),
    [
        ({"latchkey-confluent": ["bot/app.py", "handlers/__init__.py"], "PyYAML": ["yaml/__init__.py"]}, []),
        ({}, []),
        (
            {"latchkey": ["bot/__init__.py", "x.py"], "some-handlers": ["x.py", "handlers/a.py"]},
            ["latchkey", "some-handlers"],
        ),
        ({"bot": ["bot.py"]}, ["bot"]),
        ({"botany": ["botany/bot.py", "robot/__init__.py", "bots/bot/a.py", "lib/bot/a.py"]}, []),
    ],
)
def test_another_distribution_with_packages_of_our_names_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, found: Mapping[str, list[str]], others: list[str]
) -> None:
    for name, files in found.items():
        distribution(tmp_path, name, *files)
    monkeypatch.setattr(installed, "distributions", partial(distributions, path=[str(tmp_path)]))

    assert installed.strangers() == others
    said = installed.problem()
    assert (said is None) == (others == [])
    assert all(name in (said or "") for name in others)


def test_what_a_distribution_declares_is_believed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    distribution(tmp_path, "one", declared="other\nbot\n")
    distribution(tmp_path, "two", "bot/data.txt", declared="two\n")
    monkeypatch.setattr(installed, "distributions", partial(distributions, path=[str(tmp_path)]))

    assert installed.strangers() == ["one"]


def test_the_wheel_carries_the_product_and_no_sandbox(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)

    (wheel,) = tmp_path.glob("*.whl")
    names = ZipFile(wheel).namelist()
    assert wheel.name.startswith("latchkey_confluent-")
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"bot", "handlers"}
    assert {"bot/app-manifest.yml", "bot/py.typed", "bot/store/commit.lua"} <= set(names)
