"""`python -m bot` as a program: what will not start, what starts, how it stops, and its other commands."""

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from redis.exceptions import ConnectionError as ConnectionFailed
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bot import installed
from bot.diagnosis.examine import examine
from bot.store.connection import Commands, connect
from bot.store.sealing import new_master_key
from bot.store.seals import RedisSeals, Seals
from sandbox.cast import BOT_PRINCIPAL
from sandbox.gate import Gate
from sandbox.serving import free_port, serve
from sandbox.stage import fresh, stage
from tests.support.forked import forked
from tests.support.listening import app_of
from tests.support.play import settings_from
from tests.support.processes import PRODUCT, Ended, creates, crew, has_read, latchkey, own_redis, reached, take_secret

REQUIRED = (
    "SLACK_BOT_TOKEN",
    "SLACK_SIGNING_SECRET",
    "CONFLUENT_CLOUD_API_KEY",
    "CONFLUENT_CLOUD_API_SECRET",
    "LATCHKEY_MASTER_KEYS",
    "LATCHKEY_CHANNEL",
)
SECRETS = (
    "SLACK_BOT_TOKEN",
    "SLACK_APP_TOKEN",
    "SLACK_SIGNING_SECRET",
    "CONFLUENT_CLOUD_API_SECRET",
    "LATCHKEY_MASTER_KEYS",
)
WRONG_SECRET = "A" * 64
"""Of the length of Confluent's older secrets, and nobody's."""
NOT_A_TOKEN = "not-what-slack-gave"


@asynccontextmanager
async def taken_port() -> AsyncGenerator[str]:
    """A port that someone else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield str(listener.getsockname()[1])


def is_one_line_about(ended: Ended, *words: str) -> None:
    """The program ended with exit code 2, and all that it says is one line with these words."""
    lines = [line for line in ended.err.splitlines() if not line.startswith("{")]  # what begins so is the log
    assert ended.code == 2, ended.err
    assert len(lines) == 1, ended.err
    assert [word for word in words if word not in lines[0]] == []
    assert "Traceback" not in ended.err + ended.out


async def test_all_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    ended = await latchkey("run", LATCHKEY_SECRETS_DIR=str(tmp_path))

    assert ended.code == 2
    lines = ended.err.splitlines()
    assert [line.partition(" ")[0] for line in lines] == sorted(REQUIRED, key=ended.err.index)
    assert all(" is not set" in line for line in lines)
    assert len(lines) == len(REQUIRED)


WRONG: list[tuple[Mapping[str, str], tuple[str, ...]]] = [
    ({"SLACK_BOT_TOKEN": f"xoxb-{NOT_A_TOKEN}"}, ("SLACK_BOT_TOKEN", "invalid_auth", "Copy it again")),
    ({"SLACK_APP_TOKEN": f"xapp-{NOT_A_TOKEN}"}, ("SLACK_APP_TOKEN", "invalid_auth", "Copy it again")),
    ({"LATCHKEY_MASTER_KEYS": "lk1_too-short"}, ("LATCHKEY_MASTER_KEYS", "master key 1 of 1", "latchkey keygen")),
    ({"CONFLUENT_CLOUD_API_SECRET": WRONG_SECRET}, ("CONFLUENT_CLOUD_API_SECRET", "Use a Cloud API key")),
]


@pytest.mark.parametrize(("wrong", "words"), WRONG, ids=[next(iter(wrong)) for wrong, _ in WRONG])
async def test_what_is_wrong_is_one_line_that_quotes_no_secret(
    tmp_path: Path, wrong: Mapping[str, str], words: tuple[str, ...]
) -> None:
    async with stage(tmp_path) as here:
        environment = {**here.environment(), **wrong}
        ended = await latchkey("run", **environment)

    is_one_line_about(ended, *words)
    secrets = {
        value for name, value in environment.items() if any(word in name for word in ("TOKEN", "SECRET", "KEYS"))
    }
    secrets.discard(environment["LATCHKEY_SECRETS_DIR"])
    assert [secret for secret in secrets if secret in ended.err + ended.out] == []


async def test_a_redis_that_is_away_is_one_line(tmp_path: Path) -> None:
    async with stage(tmp_path) as here:
        url = f"redis://user:made-up-password@127.0.0.1:{free_port()}/0"
        ended = await latchkey("run", **here.environment(redis_url=url))

    is_one_line_about(ended, "Redis didn't answer", "correct REDIS_URL")
    assert "made-up-password" not in ended.err


async def test_t22_a_start_with_weaker_tls_is_one_line(tmp_path: Path) -> None:
    async with stage(tmp_path) as here:
        url = "rediss://user:made-up-password@127.0.0.1?ssl_cert_reqs=none"
        environment = here.environment(redis_url=url)
        refused, meant = await asyncio.gather(
            latchkey("run", **environment), latchkey("run", **environment | {"LATCHKEY_REDIS_INSECURE": "1"})
        )

    is_one_line_about(refused, "REDIS_URL", "LATCHKEY_REDIS_INSECURE=1")
    is_one_line_about(meant, "Redis didn't answer")
    assert "certificate is not fully checked" in meant.err
    assert "made-up-password" not in refused.err + meant.err


async def test_a_slack_that_is_away_is_one_line(tmp_path: Path) -> None:
    async with stage(tmp_path) as here:
        ended = await latchkey("run", **here.environment() | {"SLACK_API_URL": f"http://127.0.0.1:{free_port()}/"})

    is_one_line_about(ended, "Slack didn't answer", "SLACK_API_URL")


@pytest.mark.parametrize(
    "said",
    [
        {"enterprise_id": "E01", "is_enterprise_install": True},
        {"team_id": None, "enterprise_id": "E01"},
        {"team_id": "E01", "team": "Acme Group"},
        {"team_id": "T01", "enterprise_id": "E01", "is_enterprise_install": True},
    ],
)
async def test_an_installation_for_a_whole_grid_organization_is_one_line(
    tmp_path: Path, said: Mapping[str, object]
) -> None:
    async def answer(request: Request) -> Response:
        return JSONResponse({"ok": True, "url": "", "user_id": "U0LATCHKEY", **said})

    async with stage(tmp_path) as here, serve(app_of(answer)) as url:
        environment = here.environment() | {"SLACK_API_URL": f"{url}/api/"}
        ended, ill = await asyncio.gather(latchkey("run", **environment), latchkey("doctor", **environment))

    is_one_line_about(ended, "SLACK_BOT_TOKEN", "Enterprise Grid", "install the app in one workspace")
    assert ill.code == 1
    assert "install the app in one workspace of the Grid" in ill.out


async def test_a_taken_port_is_one_line_and_leaves_no_server_behind(tmp_path: Path) -> None:
    async with stage(tmp_path) as here, taken_port() as port:
        ended = await latchkey("run", **here.environment() | {"PORT": port})

        is_one_line_about(ended, "Can't listen on 127.0.0.1", port, "Set HOST and PORT")
        assert not (tmp_path / "data" / "valkey.sock").exists()


@pytest.mark.parametrize(("mode", "redis"), [("socket", "embedded"), ("http", "own")])
async def test_the_product_itself_serves_the_main_job(tmp_path: Path, mode: str, redis: str) -> None:
    async with crew(tmp_path) as (it, bots), own_redis(it.stage) as own:
        changes = {"REDIS_URL": own.url} if redis == "own" else {}
        changes |= {"SLACK_MODE": mode, "PORT": str(free_port())}
        bot = await bots.start(program=PRODUCT, **changes)
        await has_read(bot)

        await it.ask()
        await it.approve()
        await it.dana.see("is ready.")
        await take_secret(it)
        await it.dana.see("You viewed the secret for key")

        assert (tmp_path / "data" / "valkey.sock").exists() == (redis == "embedded")
        log = bot.log.read_text()
        assert '"event": "ready"' in log
        assert '"level": "warning"' not in log, log
        assert await bot.stop() == 0
        assert not (tmp_path / "data" / "valkey.sock").exists()


async def test_asked_to_stop_it_finishes_the_key_that_it_is_making(tmp_path: Path) -> None:
    async with crew(tmp_path) as (it, bots):
        gate = it.stage.faults.hold_before_create = Gate()
        bot = await bots.start(program=PRODUCT)
        await has_read(bot)
        await it.ask()
        await it.approve()
        await reached(gate)

        stopping = asyncio.create_task(bot.stop())
        await it.stage.slack.sockets.wait_disconnected()
        assert not stopping.done()
        gate.opened.set()
        assert await stopping == 0
        assert (creates(it.stage), len(it.our_keys())) == (1, 1)
        await it.dana.see("is ready.")

        await bots.start(program=PRODUCT)
        await take_secret(it)


async def test_the_sandbox_leaves_no_server_behind_even_when_its_bot_was_killed() -> None:
    pipe = asyncio.subprocess.PIPE
    sandbox = await asyncio.create_subprocess_exec(sys.executable, "-m", "sandbox", "--port", "0", stdout=pipe)
    try:
        async with asyncio.timeout(60):
            assert sandbox.stdout is not None
            story = (await sandbox.stdout.readuntil(b"bot.log")).decode()
        url, log = re.findall(r"sandbox: (\S+)", story)[0], Path(re.findall(r"log file: (\S+)", story)[0])
        async with connect(f"unix://{log.with_name('data')}/valkey.sock") as store:
            server: Commands = store
            async with httpx.AsyncClient(base_url=url, headers={"X-Sandbox": "1"}) as panel:
                said = (await panel.post("/control/bot", json={"do": "kill"})).json()
            assert said["bot"] == {"alive": False, "pid": None, "restarts": 0}
            assert await server.ping()  # it runs on, as after any `kill -9`

            sandbox.send_signal(signal.SIGINT)
            assert await sandbox.wait() == 0
            with pytest.raises(ConnectionFailed):
                await server.ping()
    finally:
        if sandbox.returncode is None:
            sandbox.kill()
            await sandbox.wait()
    assert not log.parent.exists()


async def test_the_sandbox_follows_the_policy_that_it_is_given(tmp_path: Path) -> None:
    policy, pipe = tmp_path / "policy.yml", asyncio.subprocess.PIPE
    policy.write_text("version: 1\nchannel: C0APPROVE\nrules: [{name: none, match: {}, approvals: 6}]\n")
    asked = ("-m", "sandbox", "--port", "0", "--policy", str(policy))
    sandbox = await asyncio.create_subprocess_exec(sys.executable, *asked, stdout=pipe, stderr=pipe)
    try:
        async with asyncio.timeout(60):
            _, said = await sandbox.communicate()
    finally:
        if sandbox.returncode is None:
            sandbox.kill()
            await sandbox.wait()

    assert sandbox.returncode == 1
    assert f"{policy}:3: rules[0].approvals: 6 is too large." in said.decode()


async def test_the_doctor_says_what_is_well_and_what_is_not(tmp_path: Path) -> None:
    async with stage(tmp_path) as here:
        well, ill = await asyncio.gather(
            latchkey("doctor", **here.environment()),
            latchkey("doctor", **here.environment(data="other") | {"LATCHKEY_CHANNEL": "C0NOSUCH"}),
        )

    assert well.code == 0, well.err
    assert {
        "Slack: ok: Acme (T0ACME)",
        "store: ok",
        "disk: ok: every step waits for the disk",
        "rights at Confluent: ok",
        f"installation: ok: {installed.version()}",
    } < set(well.out.splitlines())
    assert "Confluent Cloud: ok: organization" in well.out
    assert "people: warning: 1 of " in well.out, "Vera has no confirmed address"
    assert "expiry at Confluent: ok: not known yet" in well.out
    assert ill.code == 1
    assert "Latchkey can't see the channel C0NOSUCH (channel_not_found)" in ill.out
    assert "Traceback" not in ill.err


async def test_the_doctor_looks_once_at_everything_that_is_sealed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count, counts = RedisSeals.count, list[Seals]()

    async def watched(seals: RedisSeals) -> Seals:
        counts.append(await count(seals))
        return counts[-1]

    monkeypatch.setattr(RedisSeals, "count", watched)
    async with stage(tmp_path) as here:
        found = await examine(settings_from(here.environment()))

    (keys,) = (each.says for each in found if each.check == "master keys")
    assert keys.startswith("key 1")
    assert len(counts) == 1


async def test_the_doctor_says_that_latchkeys_own_account_lacks_its_role(tmp_path: Path) -> None:
    async with stage(tmp_path) as here:
        bindings = here.organization.role_bindings
        for id_ in [id_ for id_, each in bindings.items() if each.principal == BOT_PRINCIPAL]:
            del bindings[id_]

        ill = await latchkey("doctor", **here.environment())

    assert ill.code == 1
    (line,) = (line for line in ill.out.splitlines() if "failed" in line)
    assert "OrganizationAdmin" in line, line


async def test_the_audit_log_of_a_running_bot_is_exported_and_verified(tmp_path: Path) -> None:
    async with crew(tmp_path) as (it, bots):
        await bots.start()
        await it.ask()
        await it.approve()
        await it.dana.see("is ready.")

        environment = it.stage.environment()
        live, export = await asyncio.gather(
            latchkey("audit", "verify", **environment), latchkey("audit", "export", **environment)
        )
        file = tmp_path / "audit.jsonl"
        file.write_text(export.out)
        keys = {"LATCHKEY_MASTER_KEYS": environment["LATCHKEY_MASTER_KEYS"]}
        offline = await latchkey("audit", "verify", os.fspath(file), **keys)

        async with connect(f"unix://{tmp_path}/data/valkey.sock") as store:
            commands: Commands = store
            await commands.rpop("lk:{T0ACME}:audit")  # the chain still holds, but its end is gone
        cut = await latchkey("audit", "verify", **environment)

    assert (live.code, offline.code) == (0, 0), live.err + offline.err
    assert "lines is intact." in live.out
    assert "key:created" in export.out
    assert cut.code == 1
    assert "says 4 lines, but the log has 3" in cut.err


async def test_t7_a_master_key_is_replaced_beside_a_running_bot_and_not_dropped_too_early(tmp_path: Path) -> None:
    async with crew(tmp_path) as (it, bots):
        bot = await bots.start()
        await it.ask()
        await bots.kill(bot)
        environment = it.stage.environment()
        new, old = new_master_key(), environment["LATCHKEY_MASTER_KEYS"]
        both, alone = {"LATCHKEY_MASTER_KEYS": f"{new},{old}"}, {"LATCHKEY_MASTER_KEYS": new}
        early, ill = await asyncio.gather(
            latchkey("run", **environment | alone), latchkey("doctor", **environment | alone)
        )

        bot = await bots.start(**both)
        alone_with_the_store = {"LATCHKEY_DATA_DIR": environment["LATCHKEY_DATA_DIR"]}
        done = await latchkey("reseal", **alone_with_the_store | both)
        well = await latchkey("doctor", **environment | both)
        verified = await latchkey("audit", "verify", **environment | alone)
        await it.approve()
        await it.dana.see("is ready.")
        await bots.kill(bot)
        await bots.start(**alone)
        await take_secret(it)

    is_one_line_about(
        early, "LATCHKEY_MASTER_KEYS lacks a master key", "among them 'lk:{T0ACME}:", "run `latchkey reseal`"
    )
    assert "\nmaster keys: failed: LATCHKEY_MASTER_KEYS lacks a master key" in ill.out
    assert (ill.code, done.code, verified.code) == (1, 0, 0), done.err + verified.err
    assert "Everything is sealed with the first master key." in done.out
    assert re.search(
        r"^master keys: ok: key 1 \(ID \w{16}\) seals \d+ records, 1 audit line; "
        r"key 2 \(ID \w{16}\) seals 0 records, 0 audit lines$",
        well.out,
        re.MULTILINE,
    ), well.out
    assert old not in ill.out + ill.err + done.out + done.err + early.err


@pytest.mark.parametrize("words", [("--help",), ("run",), ("doctor", "--no-such-option")], ids=" ".join)
async def test_what_tests_fork_is_as_what_people_start(tmp_path: Path, words: tuple[str, ...]) -> None:
    program, environment = ("-m", "bot", *words), {"LATCHKEY_CHANNEL": "C0APPROVE", "SLACK_BOT_TOKEN": "made up"}
    said = []
    for name, launch in (("new", fresh), ("forked", forked)):
        out, err = tmp_path / f"{name}.out", tmp_path / f"{name}.err"
        process = await launch(program, environment, out, err)
        said.append((await process.wait(), out.read_text(), err.read_text()))

    assert said[0] == said[1]
    assert said[0][1] or said[0][2]
