"""docs/operations.md is true: its commands run, its backup comes back, and each alert has its section."""

import asyncio
import os
import re
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from redis.exceptions import AuthenticationError

from bot.policyfile.source import PolicySource
from bot.settings import SECRETS
from bot.store.connection import Commands, connect
from bot.store.sealing import new_master_key
from sandbox.cast import APPROVALS_CHANNEL
from sandbox.serving import free_port
from sandbox.stage import MASTER_KEY
from tests.support.processes import OwnRedis, audit_of, crew, latchkey, own_redis, take_secret
from tests.test_architecture import ROOT

PAGE = (ROOT / "docs" / "operations.md").read_text()
COMMANDS = re.findall(r"^ *(latchkey .*)$", "\n".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)), re.MULTILINE)

TYPED = re.findall(
    r"`((?:docker|kubectl|env|(?:journal|system)ctl|pip download|(?:valkey|redis)-cli|ACL|CONFIG|INFO|audit (?!log))"
    r" ?[^`]+)`",
    " ".join(PAGE.split()),
)
"""What else someone may type, in the order of the page."""
COPY = "valkey-cli --rdb latchkey.rdb"
PASSWORD = ("ACL SETUSER NAME >NEW", "ACL SETUSER NAME <OLD", "ACL SAVE")
ON_SERVERS = {COPY, "redis-cli --rdb", *PASSWORD, "CONFIG SET appendonly yes", "INFO persistence"}
"""What tests below send to a server."""
CONSOLE = "valkey sh -c 'REDISCLI_AUTH=$(cat /run/secrets/store_password) valkey-cli"
BY_HAND = {
    "docker compose exec latchkey latchkey doctor",
    "docker compose logs latchkey",
    "docker compose restart latchkey",
    "docker compose stop",
    f"docker compose exec -T {CONSOLE} --rdb copy.rdb >&2 && cat copy.rdb' >latchkey.rdb",
    "docker compose run --rm --no-deps -T valkey sh -c 'mv appendonlydir before; cat >dump.rdb' <latchkey.rdb",
    f"docker compose exec {CONSOLE}'",
    "kubectl -n latchkey exec deploy/latchkey -- latchkey doctor",
    "kubectl -n latchkey logs deploy/latchkey --previous",
    "kubectl -n latchkey rollout restart deploy/latchkey",
    "journalctl -u latchkey",
    "systemctl restart latchkey",
    "pip download --require-hashes -r requirements.lock -d wheels",
}
"""What needs a container engine, a cluster, a running systemd or the package index: a test holds the names in it."""
AS_ROOT = (
    "env LATCHKEY_SECRETS_DIR=/etc/latchkey/secrets LATCHKEY_POLICY=/etc/latchkey/policy.yml "
    "LATCHKEY_AUDIT_LOG=/var/lib/latchkey/audit.jsonl "
)
"""What comes before `/opt/latchkey/bin/latchkey doctor` where systemd runs it."""

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
    """A copy in an empty data folder, taken as the page says."""
    to.folder.mkdir()
    beside = Path(os.environ.get("TEST_REDIS_SERVER", "redis-server")).parent
    places = (None, str(beside))
    names = ("valkey-cli", "redis-cli")
    client = next(filter(None, (shutil.which(name, path=place) for place in places for name in names)), None)
    assert client or not os.environ.get("TEST_REQUIRE_TOOLS"), "CI has to install redis-tools"
    if client:
        words = COPY.replace("latchkey.rdb", str(to.folder / "dump.rdb")).split()[1:]
        taken = await asyncio.create_subprocess_exec(client, "-u", redis.url, *words)
        assert await taken.wait() == 0
        return
    async with connect(redis.url) as connection:
        commands: Commands = connection
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
    blocks = [line.strip() for line in "\n".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)).splitlines()]

    assert len(COMMANDS) >= 10
    assert [line for line in blocks if line] == COMMANDS
    assert named <= {*COMMANDS, *(line.partition(" >")[0] for line in COMMANDS)}
    assert set(TYPED) == {*ON_SERVERS, *BY_HAND, f"{AS_ROOT}/opt/latchkey/bin/latchkey doctor"}


def test_what_is_typed_elsewhere_names_what_there_is() -> None:
    compose = yaml.load((ROOT / "compose.yaml").read_text(), yaml.BaseLoader)
    kubernetes = list(yaml.safe_load_all((ROOT / "deploy" / "kubernetes" / "latchkey.yaml").read_text()))
    unit = (ROOT / "deploy" / "systemd" / "latchkey.service").read_text()

    assert {"latchkey", "valkey"} <= compose["services"].keys()
    assert "store_password" in compose["services"]["valkey"]["secrets"]
    assert compose["services"]["valkey"]["volumes"] == ["valkey:/data"]
    assert "--dir /data --appendonly yes" in compose["services"]["valkey"]["command"][-1]
    assert ("Deployment", "latchkey", "latchkey") in [
        (each["kind"], each["metadata"]["name"], each["metadata"].get("namespace")) for each in kubernetes
    ]
    secrets, policy, feed = (word.partition("=")[2] for word in AS_ROOT.split()[1:])
    assert f"LoadCredential=redis_url:{secrets}/redis_url\n" in unit
    assert f"Environment=LATCHKEY_POLICY={policy}\n" in unit
    assert f"Environment=LATCHKEY_AUDIT_LOG={feed}\n".replace("/var/lib/", "%S/") in unit
    assert "ExecStart=/opt/latchkey/bin/latchkey run\n" in unit
    assert (ROOT / "requirements.lock").exists()


async def test_a_password_is_replaced_and_outlives_a_restart(tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    (tmp_path / "users.acl").write_text("user default on nopass ~* +@all\nuser latchkey on >old ~lk:* +@all\n")
    redis = OwnRedis(tmp_path / "redis", free_port(), f"--aclfile {tmp_path}/users.acl")
    words = {"NAME": "latchkey", ">NEW": ">new", "<OLD": "<old"}

    async def lets_in(password: str) -> bool:
        async with connect(redis.url.replace("//", f"//latchkey:{password}@")) as client:
            commands: Commands = client
            with suppress(AuthenticationError):
                return bool(await commands.ping())
        return False

    await redis.start()
    try:
        async with connect(redis.url) as client:
            commands: Commands = client
            for nth, line in enumerate(PASSWORD):
                await commands.execute_command(*(words.get(word, word) for word in line.split()))
                assert [await lets_in("old"), await lets_in("new")] == [nth == 0, True]
        await redis.kill()
        await redis.start()
        assert [await lets_in("old"), await lets_in("new")] == [False, True]
    finally:
        await redis.kill()


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
        other = OwnRedis(tmp_path / "other", free_port())
        await it.ask()
        await it.approve()
        await it.dana.see("Show secret")
        await copied(redis, other)
        await take_secret(it)
        await bots.kill(bot)

        try:
            await restored(other)
            kept = await audit_of(it.stage, REDIS_URL=other.url)
            assert [*kept] == (await audit_of(it.stage, REDIS_URL=redis.url))[: len(kept)]
            environment = it.stage.environment(redis_url=other.url)
            assert "LATCHKEY_AUDIT_LOG: an older copy" in (await latchkey("doctor", **environment)).out
            assert "move the file of `LATCHKEY_AUDIT_LOG` away" in PAGE
            shutil.move(environment["LATCHKEY_AUDIT_LOG"], tmp_path / "audit.jsonl.before")
            await all_typed(tmp_path, kept[-1], environment)
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

    secrets = folder / "secrets"
    secrets.mkdir()
    for name in SECRETS:
        if value := environment.pop(name, ""):
            (secrets / name.lower()).write_text(f"{value}\n")
    given = AS_ROOT.replace("/etc/latchkey/secrets", str(secrets))
    given = given.replace("/etc/latchkey", str(folder)).replace("/var/lib/latchkey", str(folder))
    ended = await latchkey("doctor", **environment | dict(word.split("=") for word in given.split()[1:]))
    assert ended.code == 0, ended.out
