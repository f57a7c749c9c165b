"""A secret is in one outgoing payload and nowhere else: played through with every way that a showing can end."""

import asyncio
import json
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx

from bot import logs
from bot.domain.kinds import Kind
from bot.slack.payloads import ids
from bot.store.connection import connect
from sandbox.cast import APPROVALS_CHANNEL
from sandbox.slack.blocks import Json
from sandbox.slack.delivery import Envelope, Transport
from sandbox.stage import MASTER_KEY, BotProcess
from tests.support.play import POLICY_FILE, Play, policy_of
from tests.support.processes import audit_of, creates, crew, everything_in, in_time, payloads_with, take_secret, until
from tests.support.walks import STEP, home_of, is_made, listed, made, opened, sent, take, told
from tests.support.wishes import NEW, OWN, Wish


@dataclass(slots=True)
class Overhearing:
    """A way to the bot that notes every response_url on it."""

    way: Transport
    urls: list[str] = field(default_factory=list[str])

    async def carry(self, envelope: Envelope) -> Json:
        if url := envelope.payload.get("response_url"):
            self.urls.append(str(url))
        return await self.way.carry(envelope)


@dataclass(slots=True)
class Traces:
    """All that a played story left behind, by the name of the place."""

    places: Mapping[str, bytes]
    shown: list[str]
    refused: str
    unclaimed: str
    payloads: Mapping[str, int]
    urls: list[str]
    settings: Mapping[str, str]


async def played(tmp_path: Path) -> Traces:
    """A story at LOG_LEVEL=DEBUG: saved, refused by Slack and replaced, lost and replaced, never claimed."""
    async with crew(tmp_path) as (it, bots):
        overhearing = Overhearing(it.stage.slack.sockets)
        it.stage.slack.delivery.transport = overhearing
        before = set(it.stage.organization.secrets_issued)
        bot = await bots.start(LOG_LEVEL="DEBUG")

        shown = [await saved(it)]
        refused = await refused_by_slack(it)
        shown += [await take_secret(it)]
        shown += [await replaced(it)]
        await it.dana.click("I saved it")
        unclaimed = await never_claimed(it)

        places = await left_behind(it, bot)
        made = [secret for key, secret in it.stage.organization.secrets_issued.items() if key not in before]
        assert sorted(made) == sorted([*shown, refused, unclaimed])
        return Traces(
            places,
            shown,
            refused,
            unclaimed,
            {secret: payloads_with(it.stage, secret) for secret in made},
            overhearing.urls,
            it.stage.environment(),
        )


async def left_behind(it: Play, bot: BotProcess) -> dict[str, bytes]:
    """All that there is when the story is over, by the name of the place; ends the bot."""
    port = re.findall(r'"port": (\d+)', bot.log.read_text())[-1]
    async with httpx.AsyncClient() as client:
        metrics = (await client.get(f"http://127.0.0.1:{port}/metrics")).content
    async with connect(f"unix://{it.stage.folder}/data/valkey.sock") as redis:
        stored = await everything_in(redis)
    audit = json.dumps(await audit_of(it.stage)).encode()
    assert await bot.stop() == 0
    return {
        "log": bot.log.read_bytes(),
        "Redis": stored,
        "append-only file": append_only_file(it.stage.folder / "data"),
        "audit": audit,
        "metrics": metrics,
        "messages": json.dumps(all_messages(it), ensure_ascii=False).encode(),
        "views": json.dumps([it.dana.modal, it.dana.home, it.erin.modal, it.erin.home]).encode(),
    }


async def test_a_secret_is_in_one_payload_and_nowhere_else(tmp_path: Path) -> None:
    traces = await played(tmp_path)

    assert [traces.payloads[secret] for secret in traces.shown] == [1, 1, 1]
    assert traces.payloads[traces.refused] == 1  # Slack was asked to show it, and did not
    assert traces.payloads[traces.unclaimed] == 0
    for place, content in traces.places.items():
        found = [secret for secret in traces.payloads if secret.encode() in content]
        assert found == [], place

    # The places are the right ones: each holds what it should hold.
    assert b'"event": "confluent.call"' in traces.places["log"]
    assert b":secret:" in traces.places["append-only file"]
    assert b":request:" in traces.places["Redis"]
    assert b"secret:shown" in traces.places["audit"]
    assert b"secret:unclaimed" in traces.places["audit"]
    assert b"latchkey_" in traces.places["metrics"]
    assert b"The secret wasn't viewed in time." in traces.places["messages"]

    # Who may answer in a person's name, and our own credentials, stay out of log and store as well.
    assert len(traces.urls) > 10
    own = [traces.settings[name] for name in ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "CONFLUENT_CLOUD_API_SECRET")]
    for hidden in [*(urlsplit(url).path for url in traces.urls), *own, MASTER_KEY]:
        held_by = [place for place in ("log", "Redis", "append-only file") if hidden.encode() in traces.places[place]]
        assert held_by == [], hidden


# --- every kind of key, and all that can be done with it --------------------------------------------------------------

POLICY = """
version: 1
channel: C0APPROVE
review: {every: 7d, older_than: 90d}
rules:
  - {name: one approval, match: {}, approvals: 1}
"""
FOREIGN = "data.evil.example"
"""Where one cluster says that it is: Confluent's answers are believed, but no secret follows them everywhere."""
WISHES = (
    Wish(name="orders key"),
    Wish(OWN, cluster="clicks-dev", name="private key"),
    Wish(cluster="payments-dev", name="foreign key"),
    Wish(NEW, kind="schema-registry", cluster="lsrc-dev01", name="schemas key"),
    Wish(kind="ksqldb", cluster="enrichment", name="joins key"),
    Wish(kind="flink", cluster="aws.us-east-1", name="statements key"),
    Wish("payments-service", kind="cloud", name="cloud key"),
    Wish(kind="tableflow", name="tableflow key"),
    Wish("payments-service", kind="global", name="global key"),
)
BY_OLGA = {NEW, "cloud", "tableflow", "global"}
"""The accounts and scopes that take an OrganizationAdmin's approval."""
TRIED = ("Working", "Latchkey can't test this key from here")


@dataclass(slots=True)
class Proxy:
    """Sees which hosts are asked for over TLS, lets nobody through, and keeps all that it was sent."""

    heard: bytearray = field(default_factory=bytearray)

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard += await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    @property
    def hosts(self) -> set[str]:
        return {line.split()[1] for line in self.heard.decode().splitlines() if line.startswith("CONNECT ")}


async def test_the_secret_of_every_kind_of_key_is_in_one_payload_through_all_that_happens_to_it(tmp_path: Path) -> None:
    proxy = Proxy()
    async with await asyncio.start_server(proxy.carry, "127.0.0.1", 0) as server, crew(tmp_path) as (it, bots):
        here = it.stage.organization
        before, abroad = set(here.secrets_issued), here.kafka_clusters["lkc-dev002"]
        here.kafka_clusters["lkc-dev002"] = replace(abroad, host=f"{FOREIGN}:443", is_public=False)
        (tmp_path / POLICY_FILE).write_text(POLICY)
        where = server.sockets[0].getsockname()
        by_proxy = {"ALL_PROXY": f"http://127.0.0.1:{where[1]}", "NO_PROXY": "127.0.0.1"}
        bot = await bots.start(LOG_LEVEL="DEBUG", **by_proxy, **policy_of(it.stage))
        keys = {wish.name: await made_and_tried(it, wish) for wish in WISHES}
        for wish in WISHES:
            await taken_with_its_configurations(it, wish, keys[wish.name])
        keys["new orders key"] = await rotated(it, keys["orders key"])
        await looked_at_everywhere(it, keys["new orders key"])
        await changed_and_deleted(it, keys["joins key"])
        await reviewed(it)
        assert set(here.secrets_issued) - before == set(keys.values())
        places = await left_behind(it, bot)

    secrets = {name: here.secrets_issued[key] for name, key in keys.items()}
    assert {name: payloads_with(it.stage, secret) for name, secret in secrets.items()} == dict.fromkeys(keys, 1)
    for place, content in {**places, "the proxy": bytes(proxy.heard)}.items():
        found = [name for name, key in keys.items() for form in forms(key, secrets[name]) if form in content]
        assert found == [], place
    for name, key in keys.items():
        held = [each for each in forms(key, secrets[name]) if payloads_with(it.stage, each.decode()) > 1]
        assert held == [], name

    # What was tried is what may be tried, and the places are the right ones.
    assert proxy.hosts == {"lkc-dev003.us-east-1.aws.private.confluent.cloud:443"}
    tried = {json.loads(line)["host"] for line in places["log"].splitlines() if b'"confluent.probe"' in line}
    assert tried == {"127.0.0.1", "lkc-dev003.us-east-1.aws.private.confluent.cloud"}
    assert places["log"].count(b'"confluent.probe"') >= len(WISHES) - 1
    assert FOREIGN not in places["log"].decode()
    libraries = {json.loads(line)["logger"].partition(".")[0] for line in places["log"].splitlines()}
    assert not libraries & logs.CHATTY, "these write down headers and bodies"
    done = {line["action"] for line in json.loads(places["audit"])}
    assert {"key:created", "secret:shown", "secret:confirmed", "account:created", "key:edited", "key:deleted"} <= done


def forms(key: str, secret: str) -> list[bytes]:
    """A secret as it may be met: in pieces, in a URL, and as HTTP sends it."""
    pieces = [secret[start : start + 20] for start in (4, 24, 40)]
    pair = b64encode(f"{key}:{secret}".encode())
    return [*(each.encode() for each in (*pieces, quote(secret, safe=""))), pair, b64encode(secret.encode())]


async def made_and_tried(it: Play, wish: Wish) -> str:
    """Asked for, approved, and tried while its secret is sealed."""
    approver = it.person("U0OLGA") if {wish.account, wish.kind} & BY_OLGA else it.erin
    key = await made(it, wish, approver)
    await it.until(lambda: any(told(it.dana, key, words) for words in TRIED), f"a verdict on {wish.name}", step=STEP)
    return key


async def taken_with_its_configurations(it: Play, wish: Wish, key: str) -> None:
    """The secret is shown, each client configuration is chosen under it, and it is saved."""
    await it.dana.click("Show secret", beside=f"({wish.name})", in_channel=it.dana.dm)
    await it.dana.see(f"API key: {key}")
    for value, label in [(each.value, each.label) for each in Kind(wish.kind).row.snippets]:
        await it.dana.choose(ids.SNIPPET, value, beside=f"API key: {key}")
        await it.dana.see(f"{label}, for key {key}. It doesn't include the secret.")
    await it.dana.click("I saved it", beside=f"API key: {key}")
    await it.dana.wait_for(lambda: "you saved the secret for key" in told(it.dana, key), f"that {key} is hers")


async def rotated(it: Play, key: str) -> str:
    """A new key in place of this one, which lives on; the new one."""
    await opened(it.dana, "rotate", key)
    await it.dana.fill({"Name of the new key": "new orders key", "Reason": "Rotated every quarter"})
    await sent(it.dana, "Request sent.")
    await it.erin.click("Approve", beside="new orders key", in_channel=APPROVALS_CHANNEL)
    new = await is_made(it, "new orders key")
    await take(it, "new orders key", new)
    return new


async def looked_at_everywhere(it: Play, key: str) -> None:
    """In the list, on its page with a client configuration, and on Home."""
    assert key in await listed(it.dana)
    assert "Requested by" in await opened(it.dana, "show", key)
    await it.dana.choose(ids.KEY_SNIPPET, "python")
    await it.dana.see("It doesn't include the secret.")
    await it.dana.close(everything=True)
    assert "new orders key" in await home_of(it.dana)


async def changed_and_deleted(it: Play, key: str) -> None:
    await opened(it.dana, "edit", key)
    await it.dana.fill({"Name": "renamed key", "Reason": "A better name"})
    await sent(it.dana, "Request sent.")
    await it.erin.click("Approve", beside="renamed key", in_channel=APPROVALS_CHANNEL)
    await it.until(lambda: it.stage.organization.api_keys[key].name == "renamed key", "the new name", step=STEP)
    await opened(it.dana, "delete", key)
    await it.dana.fill({"word": "CONFIRM", "Reason": "Not used any more"})
    await sent(it.dana, "Request sent.")
    await it.erin.click("Approve", beside=key, in_channel=APPROVALS_CHANNEL)
    await it.until(lambda: key not in it.stage.organization.api_keys, "the deletion", step=STEP)


async def reviewed(it: Play) -> None:
    """A quarter passes, and Dana is asked about her keys."""
    it.advance(days=91)
    await it.until(lambda: "over 90 days old" in json.dumps(it.dana.messages()), "a review", step=STEP)


# --- every way that a showing can end ---------------------------------------------------------------------------------


async def saved(it: Play) -> str:
    await ready(it, "saved")
    secret = await take_secret(it)
    await it.dana.click("I saved it")
    await it.dana.see("you saved the secret for key")
    revoke(it)
    return secret


async def refused_by_slack(it: Play) -> str:
    """Slack does not take the message; Dana has the key replaced, which is then ready. Returns the first secret."""
    await ready(it, "refused")
    (key,) = it.our_keys()
    it.stage.slack.faults.response_url = "500"
    await it.dana.click("Show secret")
    await in_time(it, it.dana, f"Your key {key} for orders-dev (refused) was deleted")
    it.stage.slack.faults.response_url = "works"
    await again(it)
    return it.stage.organization.secrets_issued[key]


async def replaced(it: Play) -> str:
    """Dana saw the secret and has the key replaced all the same. Returns the second secret."""
    await again(it)
    return await take_secret(it)


async def again(it: Play) -> None:
    before = creates(it.stage)
    await it.dana.click("Replace key")
    await until(lambda: creates(it.stage) == before + 1, "another key")
    await newest_says(it, "is ready.")


async def never_claimed(it: Play) -> str:
    revoke(it)
    await ready(it, "unclaimed")
    (key,) = it.our_keys()
    it.advance(hours=25)
    await in_time(it, it.dana, f"Your key {key} for orders-dev (unclaimed) was deleted")
    return it.stage.organization.secrets_issued[key]


async def ready(it: Play, name: str) -> None:
    await it.ask(name)
    await it.approve()
    await newest_says(it, "is ready.")


async def newest_says(it: Play, text: str) -> None:
    await it.dana.wait_for(lambda: text in json.dumps(it.dana.messages()[-1:]), text)


def revoke(it: Play) -> None:
    """Someone deletes the key at Confluent, so that one key is ours again."""
    for key in it.our_keys():
        del it.stage.organization.api_keys[key]


def append_only_file(data: Path) -> bytes:
    return b"".join(path.read_bytes() for path in data.glob("appendonlydir/*.aof"))


def all_messages(it: Play) -> list[Json]:
    """Every stored message of the workspace."""
    workspace = it.stage.slack.workspace
    return [message for channel in workspace.channels for message in workspace.messages(channel)]
