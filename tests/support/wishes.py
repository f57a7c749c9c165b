"""Asking for a key as anybody, for anything that the form offers, under a policy file that may change meanwhile."""

import asyncio
import os
import signal
from dataclasses import dataclass
from logging import LogRecord

from bot.domain.keys import TeamId
from bot.store.connection import Commands, connect
from bot.store.keyspace import Keyspace
from sandbox.cast import APPROVALS_CHANNEL, TEAM
from sandbox.slack.blocks import Json, interactive, plain_words
from sandbox.slack.person import PersonAtClient
from tests.support.play import POLICY_FILE, SECONDS, Play

OWN = "me"
SENT = "Your request is on its way."


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asks for; `account` is the name of a service account, or `OWN`."""

    account: str = "orders-service"
    environment: str = "dev"
    cluster: str = "orders-dev"
    name: str = "orders producer"


IN_DEV = Wish()
IN_PRODUCTION = Wish(environment="production", cluster="orders")
OWN_IN_DEV = Wish(OWN)


async def fill_in(person: PersonAtClient, wish: Wish) -> None:
    """Open the form and fill in everything."""
    await person.command("/apikey create")
    await person.fill({"Account": wish.account if wish.account == OWN else "service-account"})
    if wish.account != OWN:
        await person.fill({"Service account": wish.account})
    await person.fill({"Environment": wish.environment})
    await person.wait_for(lambda: "cluster:env-" in str(person.modal), "the clusters of that environment")
    await person.fill({"Kafka cluster": wish.cluster, "Name": wish.name, "Reason": "Local tests of the orders flow"})


async def review(person: PersonAtClient, wish: Wish) -> str:
    """Fill in the form and submit it; returns what the next page says, be it the review page or a refusal."""
    await fill_in(person, wish)
    assert await person.submit() == {}
    answers = {"Review your request", "Not done", "Something went wrong"}
    await person.wait_for(lambda: person.front()["title"]["text"] in answers, "an answer to the form")
    return " ".join(plain_words(person.front()))


async def ask(it: Play, person: PersonAtClient, wish: Wish, *, channel: str = APPROVALS_CHANNEL) -> Json:
    """Ask for a key, as far as the card in this channel; returns the card."""
    assert "Send request" in await review(person, wish)
    await person.submit()
    await person.see(SENT)
    await person.close()
    await it.until(lambda: wish.name in str(posted(it, channel)[-1:]), f"a card in {channel}")
    return posted(it, channel)[-1]


def posted(it: Play, channel: str) -> list[Json]:
    """The messages in a channel or a DM, whoever may see them."""
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
    """Let time pass once the bot has done all that is due: in the midst of it, its lease would end with the jump."""
    async with connect(f"unix://{it.stage.folder}/data/valkey.sock") as redis:
        commands: Commands = redis
        async with asyncio.timeout(SECONDS):
            while await commands.hlen(Keyspace(TeamId(TEAM)).leases):  # noqa: ASYNC110 -- Redis tells nobody
                await asyncio.sleep(0.01)
    it.advance(**by)


async def new_policy(it: Play, text: str, log: list[LogRecord], *, taken: bool = True) -> None:
    """Change the policy file, say so with SIGHUP, and wait until the bot has read it."""
    said = "policy reloaded" if taken else "policy file not taken, the old policy holds"
    seen = len(log)
    (it.stage.folder / POLICY_FILE).write_text(text)
    os.kill(os.getpid(), signal.SIGHUP)
    await it.until(lambda: any(record.getMessage() == said for record in log[seen:]), said)
