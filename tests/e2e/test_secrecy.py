"""A secret is in one outgoing payload and nowhere else: played through with every way that a showing can end."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from bot.store.connection import connect
from sandbox.slack.blocks import Json
from sandbox.slack.delivery import Envelope, Transport
from sandbox.stage import MASTER_KEY
from tests.support.play import Play
from tests.support.processes import audit_of, creates, crew, everything_in, in_time, payloads_with, take_secret, until


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

        port = re.findall(r'"port": (\d+)', bot.log.read_text())[-1]
        async with httpx.AsyncClient() as client:
            metrics = (await client.get(f"http://127.0.0.1:{port}/metrics")).content
        async with connect(f"unix://{tmp_path}/data/valkey.sock") as redis:
            stored = await everything_in(redis)
        audit = json.dumps(await audit_of(it.stage)).encode()
        assert await bot.stop() == 0
        made = [secret for key, secret in it.stage.organization.secrets_issued.items() if key not in before]
        assert sorted(made) == sorted([*shown, refused, unclaimed])
        return Traces(
            {
                "log": bot.log.read_bytes(),
                "Redis": stored,
                "append-only file": append_only_file(tmp_path / "data"),
                "audit": audit,
                "metrics": metrics,
                "messages": json.dumps(all_messages(it), ensure_ascii=False).encode(),
                "views": json.dumps([it.dana.modal, it.dana.home, it.erin.modal, it.erin.home]).encode(),
            },
            shown,
            refused,
            unclaimed,
            {secret: payloads_with(it.stage, secret) for secret in made},
            overhearing.urls,
            it.stage.environment(),
        )


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
    assert b"Nobody took the secret in time." in traces.places["messages"]

    # Who may answer in a person's name, and our own credentials, stay out of log and store as well.
    assert len(traces.urls) > 10
    own = [traces.settings[name] for name in ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "CONFLUENT_CLOUD_API_SECRET")]
    for hidden in [*(urlsplit(url).path for url in traces.urls), *own, MASTER_KEY]:
        held_by = [place for place in ("log", "Redis", "append-only file") if hidden.encode() in traces.places[place]]
        assert held_by == [], hidden


async def saved(it: Play) -> str:
    await ready(it, "saved")
    secret = await take_secret(it)
    await it.dana.click("I saved it")
    await it.dana.see("You saved its secret")
    revoke(it)
    return secret


async def refused_by_slack(it: Play) -> str:
    """Slack does not take the message; Dana has the key replaced, which is then ready. Returns the first secret."""
    await ready(it, "refused")
    (key,) = it.our_keys()
    it.stage.slack.faults.response_url = "500"
    await it.dana.click("Show secret")
    await in_time(it, it.dana, f"Slack did not take the message with the secret. Key {key} was deleted")
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
    await newest_says(it, "is there.")


async def never_claimed(it: Play) -> str:
    revoke(it)
    await ready(it, "unclaimed")
    (key,) = it.our_keys()
    it.advance(hours=25)
    await in_time(it, it.dana, f"Nobody took the secret in time. Key {key} was deleted")
    return it.stage.organization.secrets_issued[key]


async def ready(it: Play, name: str) -> None:
    await it.ask(name)
    await it.approve()
    await newest_says(it, "is there.")


async def newest_says(it: Play, text: str) -> None:
    await it.dana.wait_for(lambda: text in json.dumps(it.dana.messages()[-1:]), text)


def revoke(it: Play) -> None:
    """Somebody deletes the key at Confluent, so that one key is ours again."""
    for key in it.our_keys():
        del it.stage.organization.api_keys[key]


def append_only_file(data: Path) -> bytes:
    return b"".join(path.read_bytes() for path in data.glob("appendonlydir/*.aof"))


def all_messages(it: Play) -> list[Json]:
    """Every stored message of the workspace."""
    workspace = it.stage.slack.workspace
    return [message for channel in workspace.channels for message in workspace.messages(channel)]
