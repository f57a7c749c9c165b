"""Policy files as tests write them."""

import re
from pathlib import Path

import pytest

from bot.policyfile import PolicyError, PolicyFile, check, parse

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "policy.md"
HEAD = "version: 1\nchannel: C02\n"


def file(text: str, *, head: str = HEAD, default_channel: str = "") -> PolicyFile:
    return parse((head + text).encode(), default_channel=default_channel, name="policy.yml")


def problems(text: str, *, head: str = HEAD) -> list[str]:
    """What is wrong, without the name of the file."""
    with pytest.raises(PolicyError) as raised:
        file(text, head=head)
    assert str(raised.value).splitlines() == list(raised.value.problems)
    return [line.removeprefix("policy.yml:") for line in raised.value.problems]


def findings(text: str) -> list[str]:
    return [each.written("policy.yml").removeprefix("policy.yml:") for each in check(file(text))]


def examples() -> list[str]:
    """The files that docs/policy.md shows: one that explains, then three complete ones."""
    return _shown()[:4]


def cases() -> str:
    """The file for `policy test` that docs/policy.md shows."""
    return _shown()[4]


def _shown() -> list[str]:
    found = re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), flags=re.DOTALL)
    assert len(found) == 5
    return found
