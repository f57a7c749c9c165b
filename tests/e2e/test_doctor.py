"""`latchkey doctor` names each of many faults, planted one at a time, and examines everything else beside it."""

import asyncio
import json
import os
import socket
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from redis.exceptions import ConnectionError as ConnectionFailed

from bot.diagnosis.examine import CHECKS, examine
from bot.diagnosis.findings import Finding, exit_code
from bot.domain.keys import RequestId, TeamId
from bot.services.ports.store import Change
from bot.settings import Settings
from bot.slack.api.workspace import SCOPES
from bot.store import Store
from bot.store.connection import Commands, connect
from bot.store.sealing import Sealer, new_master_key, parse_master_keys
from sandbox.cast import APPROVALS_CHANNEL, BOT_PRINCIPAL, BOT_USER, TEAM
from sandbox.serving import free_port
from sandbox.stage import MASTER_KEY, Stage, stage
from tests.support import build
from tests.support.play import settings_from
from tests.support.processes import SECONDS, OwnRedis, latchkey, own_redis
from tests.support.tls import authority

WRONG = "not-what-slack-gave"
AUDIT, HEAD = f"lk:{{{TEAM}}}:audit", f"lk:{{{TEAM}}}:audit-head"
PASSWORD = "made-up-password"


@dataclass
class Scene:
    """A world in which all is well, until a fault is planted."""

    here: Stage
    redis: OwnRedis
    stack: AsyncExitStack
    environment: dict[str, str]
    commands: Commands

    def set(self, **changes: str) -> None:
        self.environment |= changes

    def store(self) -> Store:
        return Store.open(self.commands, Sealer(parse_master_keys(MASTER_KEY)), TeamId(TEAM))

    async def history(self) -> None:
        """Two requests, and what the audit log says of them."""
        for name in ("R1", "R2"):
            request = build.pending(ask=build.an_ask(id=RequestId(name), requester=build.a_person(name)))
            await self.store().requests.commit(Change(None, request, None, build.submitted(request)))

    def policy(self, text: str) -> None:
        file = self.here.folder / "policy.yml"
        file.write_text(text)
        self.set(LATCHKEY_POLICY=str(file))


@asynccontextmanager
async def scene(folder: Path) -> AsyncGenerator[Scene]:
    async with stage(folder) as here, own_redis(here) as redis, AsyncExitStack() as stack:
        commands = await stack.enter_async_context(connect(redis.url))
        yield Scene(here, redis, stack, here.environment(redis_url=redis.url), commands)


Plant = Callable[[Scene], Awaitable[object] | None]


@dataclass(frozen=True)
class Fault:
    """What goes wrong, and what `doctor` says of it."""

    name: str
    plant: Plant
    check: str
    words: Sequence[str]
    state: str = "failed"
    do: str = ""
    also: str = ""
    """A check that fails with it."""


def settings(**changes: str) -> Plant:
    return lambda scene: scene.set(**changes)


def server(**options: str) -> Plant:
    async def plant(scene: Scene) -> None:
        for name, value in options.items():
            await scene.commands.config_set(name.replace("_", "-"), value)

    return plant


def scope_missing(scope: str) -> Plant:
    def plant(scene: Scene) -> None:
        app = scene.here.slack.workspace.app
        scene.here.slack.workspace.app = replace(app, scopes=app.scopes - {scope})

    return plant


def not_in_the_channel(scene: Scene) -> None:
    scene.here.slack.workspace.channels[APPROVALS_CHANNEL].members.discard(BOT_USER)


def no_administrator(scene: Scene) -> None:
    bindings = scene.here.organization.role_bindings
    for id_ in [id_ for id_, each in bindings.items() if each.principal == BOT_PRINCIPAL]:
        del bindings[id_]


def clock_off(scene: Scene) -> None:
    now = time.time
    scene.stack.enter_context(mock.patch("bot.store.connection.time.time", side_effect=lambda: now() + 8))


async def redis_away(scene: Scene) -> None:
    await scene.redis.kill()


async def without_waitaof(scene: Scene) -> None:
    await scene.redis.kill()
    scene.redis.more = '--rename-command WAITAOF ""'
    await scene.redis.start()


async def everysec_without_waitaof(scene: Scene) -> None:
    await without_waitaof(scene)
    await scene.commands.config_set("appendfsync", "everysec")


async def read_only(scene: Scene) -> None:
    await scene.commands.replicaof("127.0.0.1", free_port())


async def another_master_key(scene: Scene) -> None:
    await scene.history()
    scene.set(LATCHKEY_MASTER_KEYS=new_master_key())


async def head_gone(scene: Scene) -> None:
    await scene.history()
    await scene.commands.delete(HEAD)


async def log_shorter(scene: Scene) -> None:
    await scene.history()
    await scene.commands.rpop(AUDIT)


async def older_copy(scene: Scene) -> None:
    await scene.history()
    await scene.commands.delete(HEAD, AUDIT)


def port_taken(scene: Scene) -> None:
    listener = scene.stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    scene.set(PORT=str(listener.getsockname()[1]))


def scanner_without_keys(scene: Scene) -> None:
    file = scene.here.folder / "scanner.json"
    file.write_text("{}")
    scene.set(SLACK_MODE="http", SLACK_SIGNING_SECRET="a" * 32, LATCHKEY_LEAK_WEBHOOK=str(file))


async def latchkey_running(scene: Scene) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = b'{"ready": false, "checks": {}}'
        writer.write(b"HTTP/1.1 503 x\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))
        writer.close()

    running = await scene.stack.enter_async_context(await asyncio.start_server(answer, "127.0.0.1", 0))
    scene.set(PORT=str(running.sockets[0].getsockname()[1]))


def user(*rules: str) -> Plant:
    async def plant(scene: Scene) -> None:
        await scene.commands.execute_command("ACL", "SETUSER", "latchkey", "on", f">{PASSWORD}", *rules)
        scene.set(REDIS_URL=f"redis://latchkey:{PASSWORD}@127.0.0.1:{scene.redis.port}/0")

    return plant


async def untrusted(scene: Scene) -> None:
    _, context = authority(scene.here.folder, ["localhost"])

    async def nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    front = await scene.stack.enter_async_context(await asyncio.start_server(nothing, "127.0.0.1", 0, ssl=context))
    scene.set(REDIS_URL=f"rediss://:{PASSWORD}@localhost:{front.sockets[0].getsockname()[1]}/0")


def embedded(scene: Scene) -> None:
    scene.stack.enter_context(mock.patch.object(Settings, "is_real_slack", new=True))
    scene.set(REDIS_URL="")


def sentinel(query: str = "") -> Plant:
    """A real one that watches no master, and asks for a password."""

    async def plant(scene: Scene) -> None:
        port = free_port()
        file = scene.here.folder / "sentinel.conf"
        file.write_text(f"port {port}\nbind 127.0.0.1\ndir {scene.here.folder}\nrequirepass {PASSWORD}\n")
        null = asyncio.subprocess.DEVNULL
        words = (scene.redis.program, file, "--sentinel")
        process = await asyncio.create_subprocess_exec(*words, stdin=null, stdout=null)
        scene.stack.push_async_callback(process.wait)
        scene.stack.callback(process.kill)
        async with connect(f"redis://:{PASSWORD}@127.0.0.1:{port}/0") as watching, asyncio.timeout(SECONDS):
            commands: Commands = watching
            while True:
                with suppress(ConnectionFailed):
                    await commands.ping()
                    break
                await asyncio.sleep(0.02)
        scene.set(REDIS_URL=f"redis+sentinel://127.0.0.1:{port}/main/0{query}")

    return plant


async def silent_sentinel(scene: Scene) -> None:
    """What a server without TLS makes of a handshake."""

    async def nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)  # until the client gives up
        writer.close()

    front = await scene.stack.enter_async_context(await asyncio.start_server(nothing, "127.0.0.1", 0))
    scene.set(REDIS_URL=f"rediss+sentinel://127.0.0.1:{front.sockets[0].getsockname()[1]}/main/0")


def wrong_password(scene: Scene) -> None:
    scene.set(REDIS_URL=f"redis://latchkey:{PASSWORD}@127.0.0.1:{scene.redis.port}/0")


ENOUGH = ("~lk:*", "+@all", "-@dangerous", "-@admin", "+info")
POLICY = "version: 1\nchannel: C0APPROVE\n"
FAULTS = [
    Fault("1 bot token", settings(SLACK_BOT_TOKEN=f"xoxb-{WRONG}"), "Slack", ("SLACK_BOT_TOKEN", "invalid_auth")),
    Fault(
        "3 app token", settings(SLACK_APP_TOKEN=f"xapp-{WRONG}"), "Slack app token", ("SLACK_APP_TOKEN", "invalid_auth")
    ),
    Fault("4 not in the channel", not_in_the_channel, "channels", (APPROVALS_CHANNEL, "invite")),
    Fault("5 channel", settings(LATCHKEY_CHANNEL="C0NOSUCH"), "channels", ("C0NOSUCH", "correct the ID")),
    Fault("6 key", settings(CONFLUENT_CLOUD_API_KEY="A" * 16), "Confluent Cloud", ("CONFLUENT_CLOUD_API_KEY",)),
    Fault(
        "7 secret", settings(CONFLUENT_CLOUD_API_SECRET="A" * 64), "Confluent Cloud", ("CONFLUENT_CLOUD_API_SECRET",)
    ),
    Fault("8 no administrator", no_administrator, "rights at Confluent", ("OrganizationAdmin",)),
    *(Fault(f"9 {scope}", scope_missing(scope), "Slack scopes", (f"lacks {scope} (",)) for scope in SCOPES),
    Fault("10 clock", clock_off, "clock", ("8 s apart", "NTP")),
    Fault("11 policy", lambda scene: scene.policy(f"{POLICY}approvalz: 2\n"), "policy", ("policy.yml:3", "approvalz")),
    Fault(
        "12 variable", settings(LATCHKEY_CHANEL="C0"), "settings", ("LATCHKEY_CHANEL", "LATCHKEY_CHANNEL?"), "warning"
    ),
    Fault(
        "13 environment",
        lambda scene: scene.policy(f"{POLICY}rules: [{{name: a, match: {{environment: env-nosuch}}}}]\n"),
        "policy ids",
        ("policy.yml:3", "can't find env-nosuch"),
    ),
    Fault(
        "13 user group",
        lambda scene: scene.policy(f"{POLICY}rules: [{{name: a, match: {{}}, notify: [S0NOSUCH]}}]\n"),
        "policy ids",
        ("policy.yml:3", "S0NOSUCH"),
    ),
    Fault("14 evicts", server(maxmemory_policy="allkeys-lru"), "store settings", ("maxmemory-policy is allkeys-lru",)),
    Fault("15 away", redis_away, "store", ("nothing is listening",), do="Start it, or correct REDIS_URL."),
    Fault("16 no WAITAOF", without_waitaof, "disk", ("WAITAOF, which came with 7.2", "append-only"), "warning"),
    Fault("16 no append-only file", server(appendonly="no"), "store settings", ("append-only file is off",)),
    Fault(
        "17 everysec", server(appendfsync="everysec"), "appendfsync", ("is everysec",), "warning", "Set it to always."
    ),
    Fault(
        "17 everysec, no WAITAOF",
        everysec_without_waitaof,
        "appendfsync",
        ("is everysec", "no step waits for the disk"),
        do="Set appendfsync to always, or use Redis 7.2 or newer.",
    ),
    Fault("18 full", server(maxmemory="1"), "store", ("Redis is full",)),
    Fault("19 replica", read_only, "store", ("replica, which accepts no writes",)),
    Fault("20 master key", another_master_key, "master keys", ("lacks a master key (ID ",)),
    Fault("21 head gone", head_gone, "audit log", ("says 0 lines, but the log has 2", "docs/audit.md")),
    Fault("21 log shorter", log_shorter, "audit log", ("says 2 lines, but the log has 1", "docs/audit.md")),
    Fault("21 older copy", older_copy, "records", ("2 records contradict the audit log",)),
    Fault("22 port", port_taken, "port", ("Can't listen on 127.0.0.1", "Set HOST and PORT")),
    Fault("22 ours", latchkey_running, "port", ("Latchkey is already running on",), "warning"),
    Fault(
        "23 signing secret",
        settings(SLACK_MODE="http", SLACK_SIGNING_SECRET="a" * 32),
        "signing secret",
        ("Only a request from Slack shows",),
        "unknown",
        "/apikey help",
    ),
    Fault(
        "R9 scanner",
        scanner_without_keys,
        "leak webhook",
        ("the list of public keys can't be read",),
        do="LATCHKEY_LEAK_WEBHOOK",
        also="signing secret",
    ),
    Fault(
        "R9 feed", settings(LATCHKEY_AUDIT_LOG="/no/such/feed"), "audit feed", ("can't be opened",), do="permissions"
    ),
    Fault("embedded server", embedded, "store settings", ("only on this machine",), "warning", "set REDIS_URL"),
    Fault("R9 password", wrong_password, "store", ("rejects the user name or password",)),
    Fault("R10 sentinel's password", sentinel(), "store", ("The sentinels reject",), do="sentinel_password"),
    Fault(
        "R10 service",
        sentinel(f"?sentinel_password={PASSWORD}"),
        "store",
        ("The sentinels don't know a master",),
        do="service name",
    ),
    Fault(
        "R10 no sentinel",
        lambda scene: scene.set(REDIS_URL=f"redis+sentinel://127.0.0.1:{free_port()}/main/0"),
        "store",
        ("nothing is listening",),
    ),
    Fault("R10 sentinels without TLS", silent_sentinel, "store", ("didn't answer within 2 seconds",)),
    Fault("R9 keys", user("~mine:*", *ENOUGH[1:]), "store rights", ("keys such as lk:{T0ACME}:*",), also="store"),
    Fault("R9 MULTI", user(*ENOUGH, "-multi"), "store rights", ("isn't allowed to run MULTI.",), also="store"),
    Fault("R9 INFO", user(*ENOUGH, "-info"), "store rights", ("isn't allowed to run INFO.",), do="docs/redis.md"),
    Fault(
        "R9 scripts",
        user(*ENOUGH, "-evalsha", "-script"),
        "store rights",
        ("isn't allowed to run SCRIPT LOAD, EVALSHA.",),
    ),
    Fault("R9 in scripts", user(*ENOUGH, "-hvals"), "store rights", ("isn't allowed to run HVALS.",)),
    Fault("R9 certificate", untrusted, "store", ("certificate isn't trusted",), do="ssl_ca_certs"),
    Fault("R9 name", settings(REDIS_URL="redis://no-such-host.invalid:6379/0"), "store", ("doesn't resolve",)),
    Fault("R9 socket", settings(REDIS_URL="unix:///no/such.sock"), "store", ("no such socket",)),
]


async def examined(scene: Scene) -> Sequence[Finding]:
    """All findings; no secret is among them."""
    with mock.patch.dict(os.environ, scene.environment, clear=True):
        found = await examine(settings_from(scene.environment))
    secrets = {value for name, value in scene.environment.items() if name.endswith(("TOKEN", "SECRET", "KEYS"))}
    assert [each for each in (*secrets, PASSWORD) if each in str(found)] == []
    return found


async def test_where_all_is_well_doctor_has_one_thing_to_say(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        await it.history()
        found = await examined(it)

    assert [each.check for each in found] == list(CHECKS)
    assert [(each.check, each.says) for each in found if each.state != "ok"] == [
        ("people", "1 of 17 people has no confirmed email address in Slack. (U0VERA)")
    ]
    assert exit_code(found) == 0


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_doctor_names_the_fault_and_examines_everything_else(tmp_path: Path, fault: Fault) -> None:
    async with scene(tmp_path) as it:
        planted = fault.plant(it)
        if planted is not None:
            await planted
        found = await examined(it)

    assert {each.check for each in found} == set(CHECKS)
    assert [each for each in found if ".." in f"{each.says} {each.do}"] == []
    named = [each for each in found if each.check == fault.check and each.state == fault.state]
    assert [each for each in named if all(word in f"{each.says} {each.do}" for word in fault.words)], found
    assert any(fault.do in each.do for each in named)
    assert exit_code(found) == (1 if fault.state == "failed" else 0)
    assert [each.says for each in found if "no policy file" in each.says and "LATCHKEY_POLICY" in it.environment] == []
    sections = ("Slack", "store", "Confluent Cloud")
    well = {each.check for each in found if each.state == "ok"}
    assert [each for each in sections if each not in {fault.check, fault.also} | well] == []


MISSING = {
    "SLACK_BOT_TOKEN": "OAuth & Permissions",
    "SLACK_SIGNING_SECRET": "Basic Information",
    "CONFLUENT_CLOUD_API_KEY": "service account",
    "CONFLUENT_CLOUD_API_SECRET": "was created",
    "LATCHKEY_MASTER_KEYS": "latchkey keygen",
    "LATCHKEY_CHANNEL": "the channel's link",
}
"""What there is to be set, and a word of where it comes from."""


BEFORE_A_LOOK: dict[str, tuple[dict[str, str], Collection[str]]] = {
    "2 app token as bot token": ({"SLACK_BOT_TOKEN": f"xapp-{WRONG}"}, ("SLACK_BOT_TOKEN",)),
    "5 name of a channel": ({"LATCHKEY_CHANNEL": "#key-approvals"}, ("LATCHKEY_CHANNEL",)),
    "23 no signing secret": ({"SLACK_MODE": "http", "SLACK_SIGNING_SECRET": ""}, ("SLACK_SIGNING_SECRET",)),
    "R9 scanner in Socket Mode": ({"LATCHKEY_LEAK_WEBHOOK": "github"}, ("LATCHKEY_LEAK_WEBHOOK",)),
    "24 settings": ({**dict.fromkeys(MISSING, ""), "SLACK_APP_TOKEN": "", "SLACK_MODE": ""}, MISSING),
}


def test_each_of_the_24_faults_is_planted() -> None:
    names = [*(fault.name for fault in FAULTS), *BEFORE_A_LOOK]
    assert {int(name.partition(" ")[0]) for name in names if name[0].isdigit()} == set(range(1, 25))


@pytest.mark.parametrize(("changes", "names"), BEFORE_A_LOOK.values(), ids=BEFORE_A_LOOK)
async def test_doctor_names_all_settings_that_will_not_do(
    tmp_path: Path, changes: dict[str, str], names: Collection[str]
) -> None:
    async with stage(tmp_path) as here:
        environment = {**here.environment(), **changes}
        told, listed = await asyncio.gather(
            latchkey("doctor", **environment), latchkey("doctor", "--json", **environment)
        )

    found: list[dict[str, str]] = json.loads(listed.out)
    assert (told.code, listed.code) == (2, 2)
    assert sorted(each["says"].partition(" ")[0] for each in found) == sorted(names)
    assert {(each["check"], each["state"]) for each in found} == {("settings", "failed")}
    assert all(f"settings: failed: {name} " in told.out for name in names)
    unset = [each["says"] for each in found if "is not set" in each["says"]]
    assert all(MISSING[says.partition(" ")[0]] in says for says in unset)


async def test_doctor_lists_findings_for_programs_and_ends_with_75_where_only_later_can_tell(tmp_path: Path) -> None:
    async with stage(tmp_path) as here:
        environment = here.environment() | {"CONFLUENT_CLOUD_ENDPOINT": f"http://127.0.0.1:{free_port()}"}
        well, away = await asyncio.gather(
            latchkey("doctor", "--json", **here.environment()), latchkey("doctor", **environment)
        )

    found: list[dict[str, Any]] = json.loads(well.out)
    assert well.code == 0
    assert [each.keys() for each in found] == [{"check", "state", "says", "do"}] * len(CHECKS)
    assert away.code == 75
    assert "Confluent Cloud: unknown: " in away.out
    assert "rights at Confluent: unknown: " in away.out
    assert "store: ok" in away.out
