"""Asking for a key as anybody, for anything that the form offers, under a policy file that may change meanwhile."""

import asyncio
import os
import signal
from dataclasses import dataclass
from logging import LogRecord

from bot.domain.keys import TeamId
from bot.domain.kinds import PLACED
from bot.store.connection import Commands, connect
from bot.store.keyspace import Keyspace
from sandbox.cast import APPROVALS_CHANNEL, DEV, PROD, TEAM
from sandbox.slack.blocks import Json, interactive, plain_words
from sandbox.slack.person import PersonAtClient
from tests.support.play import POLICY_FILE, SECONDS, Play, fields, send_anyway

OWN, NEW = "me", "new"
FIELDS = {kind.value: "Region" if kind.row.is_regional else kind.row.noun for kind in PLACED}
"""The labels of the fields for a resource, by the kind of key; the other kinds have none."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What someone asks for.

    `account` is the name of a service account, `OWN`, or `NEW`, which makes one called `account_name`; `cluster` is
    the name or the id of what is in the environment, or the id of a region; "" leaves what the form chose by itself.
    """

    account: str = "orders-service"
    environment: str = "dev"
    cluster: str = "orders-dev"
    name: str = "orders producer"
    kind: str = "kafka"
    cloud: str = "aws"
    account_name: str = "clicks-service"
    lifetime: str = "rule"
    """As it says, or its value; "rule" is as long as the rule allows, "" what the form chose by itself."""
    access: tuple[tuple[str, str], ...] = ()
    """What is chosen under *Access*, each with the names for it."""
    also: bool = False
    """Whether a key for the Schema Registry comes with it."""


IDS = {"dev": DEV, "production": PROD}
"""Of environments, by name: a form that is filled in already has a field for what is in another one."""
IN_DEV = Wish()
IN_PRODUCTION = Wish(environment="production", cluster="orders")
OWN_IN_DEV = Wish(OWN)


async def fill_in(person: PersonAtClient, wish: Wish) -> None:
    """Open the form and fill in everything."""
    await person.command("/apikey create")
    await choose_account(person, wish)
    await choose_scope(person, wish)
    if wish.also:
        await person.fill({"Second key": ["Also for Schema Registry"]})
        if wish.access:
            await person.wait_for(lambda: "access:kafka+" in " ".join(fields(person.modal)), "access for both keys")
    if wish.access:
        await choose_access(person, *wish.access)
    await person.fill({"Name": wish.name, "Reason": "Local tests of the orders flow"})
    if wish.lifetime:
        await person.fill({"Lifetime": wish.lifetime})


async def choose_account(person: PersonAtClient, wish: Wish) -> None:
    """Choose whose key it will be, in a form that is open."""
    if wish.account in {OWN, NEW}:
        await person.fill({"Account": wish.account})
    else:
        await person.fill({"Account": "service-account"})
        await person.fill({"Service account": wish.account})
    if wish.account == NEW:
        await person.fill({"Service account name": wish.account_name})


async def choose_scope(person: PersonAtClient, wish: Wish) -> None:
    """Choose what the key will open, in a form that is open."""
    if wish.kind != "kafka":
        await person.fill({"Resource scope": wish.kind})
    if wish.kind not in FIELDS:
        await person.wait_for(lambda: "environment" not in fields(person.modal), "a form without places")
        return
    place = f"resource:{wish.kind}:{IDS.get(wish.environment, 'env-')}"
    await person.fill({"Environment": wish.environment})
    await person.wait_for(lambda: place in " ".join(fields(person.modal)), "what there is in that environment")
    if wish.kind == "flink":
        await person.fill({"Cloud provider": wish.cloud})
        await person.wait_for(
            lambda: any(each.endswith(f":{wish.cloud}") for each in fields(person.modal)), "the regions of that cloud"
        )
    if wish.cluster:
        await person.fill({FIELDS[wish.kind]: wish.cluster})


async def choose_access(person: PersonAtClient, *access: tuple[str, str]) -> None:
    """Choose what the account is to be granted, in a form that is open, and type the names for it."""
    await person.fill({"Access": [name for name, _ in access]})
    for name, typed in access:
        if typed:
            await person.fill({f"{name}: name prefix": typed})


async def review(person: PersonAtClient, wish: Wish) -> str:
    """Fill in the form and submit it; returns what the next page says, be it the review page or a refusal."""
    await fill_in(person, wish)
    assert await person.submit() == {}
    answers = {"Review your request", "Couldn't do that", "Something went wrong"}
    await person.wait_for(lambda: person.front()["title"]["text"] in answers, "an answer to the form")
    return " ".join(plain_words(person.front()))


async def ask(it: Play, person: PersonAtClient, wish: Wish, *, channel: str = APPROVALS_CHANNEL) -> Json:
    """Ask for a key, as far as the card in this channel; returns the card."""
    assert "Send request" in await review(person, wish)
    await send_anyway(person)
    await it.until(lambda: wish.name in str(posted(it, channel)[-1:]), f"a card in {channel}")
    return posted(it, channel)[-1]


def posted(it: Play, channel: str) -> list[Json]:
    """The messages in a channel or a DM, anyone who may see them."""
    return it.stage.slack.workspace.messages(channel)


def words_of(*messages: Json) -> str:
    """All that these messages say."""
    return " ".join(word for message in messages for word in plain_words(message))


def buttons(*messages: Json) -> list[str]:
    """What can be clicked in these messages."""
    return [
        element["text"]["text"]
        for message in messages
        for _, element in interactive(message["blocks"])
        if element["type"] == "button"
    ]


async def later(it: Play, **by: float) -> None:
    """Let time pass once the bot has done all that is due: otherwise its lease would end with the jump."""
    async with connect(f"unix://{it.stage.folder}/data/valkey.sock") as redis:
        commands: Commands = redis
        async with asyncio.timeout(SECONDS):
            while await commands.hlen(Keyspace(TeamId(TEAM)).leases):  # noqa: ASYNC110 -- Redis tells nobody
                await asyncio.sleep(0.01)
    it.advance(**by)


async def new_policy(it: Play, text: str, log: list[LogRecord], *, taken: bool = True) -> None:
    """Change the policy file, say so with SIGHUP, and wait until the bot has read it."""
    said = "policy reloaded" if taken else "policy file not accepted, the old policy still applies"
    seen = len(log)
    (it.stage.folder / POLICY_FILE).write_text(text)
    os.kill(os.getpid(), signal.SIGHUP)
    await it.until(lambda: any(record.getMessage() == said for record in log[seen:]), said)
