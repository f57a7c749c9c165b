"""docs/operations.md is true: its commands run, its backup comes back, and each alert has its section."""

import asyncio
import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.policyfile.source import PolicySource
from bot.store.connection import Commands, connect
from bot.store.sealing import new_master_key
from sandbox.cast import APPROVALS_CHANNEL
from sandbox.stage import MASTER_KEY
from tests.support.processes import OwnRedis, audit_of, crew, latchkey, own_redis, take_secret
from tests.test_architecture import ROOT

PAGE = (ROOT / "docs" / "operations.md").read_text()
COMMANDS = re.findall(r"^ *(latchkey .*)$", "\n".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)), re.MULTILINE)

TOPICS = (
    "What each alert means",
    "Install",
    "Rights in Redis",
    "Air-gapped",
    "Configure",
    "Back up and restore",
    "Upgrade and downgrade",
    "Replace a secret",
    "Failover",
    "Sizing",
    "Uninstall",
)
"""What someone looks for at three in the morning."""


async def typed(line: str, folder: Path, **environment: str) -> tuple[int, str]:
    """What a shell makes of a line of the page: the exit code, and all that was printed.

    A line with nothing in it for a shell takes a fork instead, which spares Python's start.
    """
    if re.fullmatch(r"latchkey [\w .:/-]+", line):
        ended = await latchkey(*line.split()[1:], **environment)
        return ended.code, ended.out + ended.err
    script = f'latchkey() {{ "{sys.executable}" -m bot "$@"; }}; {line}'
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    shell = await asyncio.create_subprocess_exec(
        "bash",
        "-c",
        script,
        cwd=folder,
        env=kept | {"PYTHONPATH": str(ROOT)} | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await shell.communicate()
    return shell.returncode or 0, out.decode()


async def copied(redis: OwnRedis, to: OwnRedis) -> None:
    """A copy as `valkey-cli --rdb` takes it, in an empty data folder."""
    to.folder.mkdir()
    async with connect(redis.url) as client:
        commands: Commands = client
        await commands.execute_command("SAVE")
    shutil.copy(redis.folder / "dump.rdb", to.folder)


async def restored(redis: OwnRedis) -> None:
    """The steps of the page, from the start of the server on."""
    redis.more = "--appendonly no"
    await redis.start()
    async with connect(redis.url) as client:
        commands: Commands = client
        await commands.config_set("appendonly", "yes")
        async with asyncio.timeout(30):
            while (await commands.info("persistence"))["aof_rewrite_in_progress"]:  # noqa: ASYNC110 - a server tells nobody
                await asyncio.sleep(0.01)
    await redis.kill()
    redis.more = ""
    await redis.start()


def test_every_alert_has_a_section() -> None:
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "latchkey.rules.yml").read_text())
    section = PAGE.partition("## What each alert means")[2].partition("\n## ")[0]

    assert re.findall(r"^### (\w+)$", section, re.MULTILINE) == [each["alert"] for each in rules["groups"][0]["rules"]]


def test_every_topic_has_a_section() -> None:
    headings = re.findall(r"^##+ (.*)$", PAGE, re.MULTILINE)

    assert set(TOPICS) <= set(headings)


def test_what_the_page_says_of_the_policy_file_is_so() -> None:
    seconds = re.search(r"within about (\d+) seconds", PAGE)

    assert seconds
    defaults: dict[str, Any] = {each.name: each.default for each in fields(PolicySource)}
    assert int(seconds[1]) == defaults["every"] + defaults["settle"]


def test_every_command_that_the_page_names_is_one_that_is_run() -> None:
    named = {" ".join(words.split()) for words in re.findall(r"`(latchkey [^`]*)`", PAGE)}

    assert len(COMMANDS) >= 10
    assert named <= set(COMMANDS)


def test_links_of_the_page_lead_somewhere() -> None:
    headings = {
        re.sub(r"[^\w -]", "", each).strip().lower().replace(" ", "-")
        for each in re.findall("^#+ (.*)$", PAGE, re.MULTILINE)
    }

    for place, _, section in (link.partition("#") for link in re.findall(r"\]\(([^)]+)\)", PAGE)):
        assert (ROOT / "docs" / place).exists()
        assert place or section in headings


async def test_the_commands_of_the_page_run_and_a_backup_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with crew(tmp_path) as (it, bots), own_redis(it.stage) as redis:
        bot = await bots.start(REDIS_URL=redis.url)
        await it.ask()
        await it.approve()
        await it.dana.see("Show secret")
        await take_secret(it)
        await bots.kill(bot)

        before = await audit_of(it.stage, REDIS_URL=redis.url)
        other = OwnRedis(tmp_path / "other", it.stage.free_port())
        await copied(redis, other)
        try:
            await restored(other)
            assert await audit_of(it.stage, REDIS_URL=other.url) == before
            await all_typed(tmp_path, before[-1], it.stage.environment(redis_url=other.url))
        finally:
            await other.kill()


async def all_typed(folder: Path, last: Mapping[str, Any], environment: dict[str, str]) -> None:
    """Every command in the order of the page, with a new master key in front, as `latchkey reseal` wants it."""
    (folder / "policy.yml").write_text(f"version: 1\nchannel: {APPROVALS_CHANNEL}\n")
    del environment["LATCHKEY_CHANNEL"]
    environment["LATCHKEY_POLICY"] = str(folder / "policy.yml")
    environment["LATCHKEY_MASTER_KEYS"] = f"{new_master_key()},{MASTER_KEY}"

    for line in COMMANDS:
        code, out = await typed(line.replace("N:HASH", f"{last['seq']}:{last['hash']}"), folder, **environment)
        assert code == 0, f"{line}\n{out}"
