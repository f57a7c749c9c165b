"""From wish to key: how often a person clicks and types who did it before, and what fills in the form for them."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sandbox.slack.blocks import interactive, plain_words
from sandbox.slack.person import PersonAtClient
from tests.support.play import SECONDS, Play, play
from tests.support.wishes import Wish, ask


@dataclass(slots=True)
class Counted:
    """A person whose clicks and typed fields are counted: a menu takes two clicks, a command one, as does a button."""

    person: PersonAtClient
    clicks: list[str] = field(default_factory=list[str])
    typed: list[str] = field(default_factory=list[str])

    async def command(self, line: str) -> None:
        self.clicks.append(line)
        await self.person.command(line)

    async def fill(self, **texts: str) -> None:
        for name, text in texts.items():
            self.typed.append(name)
            await self.person.fill({name: text})

    async def choose(self, name: str, option: str) -> None:
        self.clicks += [f"open {name}", f"pick {option}"]
        await self.person.fill({name: option})

    async def submit(self, button: str) -> None:
        assert self.person.front()["submit"]["text"] == button
        self.clicks.append(button)
        assert await self.person.submit() == {}

    async def click(self, button: str) -> None:
        self.clicks.append(button)
        await self.person.click(button)


async def obtain(it: Play, dana: Counted, name: str) -> str:
    """From the filled form to the saved secret; returns the key's id."""
    before = set(it.our_keys())
    await dana.fill(Name=name, Reason="The new consumer needs it")
    await dana.submit("Review")
    await dana.person.see("Review your request")
    await dana.submit("Send request")
    await dana.person.wait_for(lambda: not dana.person.modal, "the modal to close")
    await it.card_says(name)
    await it.approve()
    await it.until(lambda: set(it.our_keys()) - before, "her key")
    await dana.person.wait_for(lambda: name in str(ready(dana.person)), "the message with her key")
    await dana.click("Show secret")
    await dana.click("I saved it")
    (key,) = set(it.our_keys()) - before
    return key


def ready(person: PersonAtClient) -> object:
    """The messages that offer a secret."""
    return [each for each in person.messages() if "Show secret" in str(each)]


async def create(person: PersonAtClient, word: str) -> None:
    """Open the form with this word, once the bot has read what there is to choose from."""
    async with asyncio.timeout(SECONDS):
        while True:
            await person.command(f"/apikey create {word}")
            await person.see("Resource scope")
            if "nothing is filled in. Choose below." not in str(person.modal):
                return
            await person.close()


async def an_earlier_key(it: Play) -> None:
    """Dana has a key already."""
    await it.ask(name="the first one")
    await it.approve()
    await it.dana.click("Show secret")
    await it.dana.click("I saved it")
    await it.dana.wait_for(lambda: not ready(it.dana), "that she has it")


@pytest.mark.parametrize(
    ("word", "said", "cluster"),
    [
        ("", "Filled in from your last request.", "lkc-dev001"),
        (" payments-dev", "payments-dev (Kafka cluster in dev)", "lkc-dev002"),
    ],
    ids=["the same again", "another resource"],
)
async def test_who_did_it_before_comes_from_wish_to_key_in_seven_clicks_and_two_typed_fields(
    tmp_path: Path, word: str, said: str, cluster: str
) -> None:
    async with play(tmp_path) as it:
        await an_earlier_key(it)
        dana = Counted(it.dana)

        await dana.command(f"/apikey create{word}")
        await it.dana.see(said)
        key = it.stage.organization.api_keys[await obtain(it, dana, "the second one")]

        assert (key.owner, key.resource.id) == ("sa-orders", cluster)
        assert len(dana.clicks) <= 7, dana.clicks
        assert len(dana.typed) <= 2, dana.typed


async def test_where_no_message_reaches_its_person_a_sent_request_ends_on_a_page(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        it.stage.slack.faults.messages_refused = "direct messages"
        for name in ("the first one", "the second one"):
            await it.fill_in(name=name)
            await it.dana.submit()
            await it.dana.see("Review your request")
            await it.dana.submit()
            await it.dana.see("Request sent.")
            await it.dana.close()


async def test_what_stops_a_request_after_its_modal_closed_is_a_message_that_opens_the_form_again(
    tmp_path: Path,
) -> None:
    async with play(tmp_path) as it:
        await an_earlier_key(it)
        await it.dana.command("/apikey create payments-dev")
        await it.dana.fill({"Name": "for payments", "Reason": "A reason of three lines,\nwhich\nnobody types twice"})
        await it.dana.submit()
        await it.dana.see("Review your request")
        cluster = it.stage.organization.kafka_clusters.pop("lkc-dev002")
        await it.dana.submit()
        await it.dana.wait_for(lambda: not it.dana.modal, "the modal to close")
        await it.dana.see("Your request “for payments” for")

        it.stage.organization.kafka_clusters[cluster.id] = cluster
        await it.dana.click("Request again")
        await it.dana.see("A reason of three lines,")
        assert chosen(it.dana)["resource"] == "payments-dev"
        await it.dana.submit()
        await it.dana.see("Review your request")
        await it.dana.submit()
        await it.card_says("nobody types twice")


async def test_a_second_request_for_the_same_is_said_on_the_review_page_and_sent_from_there(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.ask(name="the first one")
        await it.fill_in(name="the second one")
        await it.dana.submit()
        await it.dana.see("You already have an open request for this")
        await it.dana.submit()
        await it.card_says("the second one")
        assert len(it.cards()) == 2


async def test_the_command_fills_the_form_while_confluent_is_away(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await create(it.dana, "orders-dev")
        await it.dana.see("orders-dev (Kafka cluster in dev)")
        await it.dana.close()
        it.stage.faults.failing = "all"

        await it.dana.command("/apikey create payments-dev")
        await it.dana.see("payments-dev (Kafka cluster in dev)")
        assert chosen(it.dana) == {
            "kind": "Kafka cluster",
            "environment": "dev",
            "resource": "payments-dev",
            "lifetime": "90 days",
        }


@pytest.mark.parametrize(
    ("word", "said", "left"),
    [
        (
            "orders",
            "Filled in for orders (Kafka cluster in production)",
            {"environment": "production", "resource": "orders"},
        ),
        ("-dev", "match “-dev”: clicks-dev (Kafka cluster in dev)", {"environment": "dev"}),
        ("zzz", "No resource matches “zzz”.", {}),
        ("like ORDERSDEV0000002", "No key with that ID", {}),
    ],
)
async def test_what_matches_is_said_above_the_form(tmp_path: Path, word: str, said: str, left: dict[str, str]) -> None:
    async with play(tmp_path) as it:
        await create(it.dana, word)

        await it.dana.see(said)
        assert chosen(it.dana) == {"kind": "Kafka cluster", "lifetime": "90 days", **left}


async def test_a_key_that_one_may_see_fills_in_the_form_and_any_other_is_not_there(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.erin.command("/apikey create like `ordersdev0000001`")
        await it.erin.see("Filled in from key")
        assert chosen(it.erin) == {
            "kind": "Kafka cluster",
            "owner": "Existing service account",
            "account": "orders-service",
            "environment": "dev",
            "resource": "orders-dev",
            "lifetime": "90 days",
        }
        await it.erin.fill({"Reason": "A second consumer"})
        assert await it.erin.submit() == {}
        await it.erin.see("orders-service dev 2")

        await it.dana.command("/apikey create like ORDERSDEV0000001")
        await it.dana.see("or you don't have access to it")
        assert "orders-service" not in str(chosen(it.dana))


async def test_the_usual_lifetime_gives_way_to_a_rule_that_allows_less(tmp_path: Path) -> None:
    rule = "{name: short, match: {cluster: lkc-dev001}, approvals: 1, lifetime: 45d}"
    async with play(tmp_path, policy=f"version: 1\nchannel: C0APPROVE\nrules: [{rule}]\n") as it:
        await ask(it, it.dana, Wish(cluster="payments-dev", name="longer", lifetime=""))
        card = await ask(it, it.dana, Wish(lifetime=""))
        await ask(it, it.dana, Wish(cluster="payments-dev", name="as the form said", lifetime=""))

        assert "45 days" in " ".join(plain_words(card))
        lasts = [line["details"].get("lifetime") for line in await it.audit("request:submitted")]  # type: ignore[attr-defined]
        assert lasts == ["90 days, 0:00:00", None, "45 days, 0:00:00"]


def chosen(person: PersonAtClient) -> dict[str, str]:
    """What stands in the fields of the form, by the names of the fields."""
    menus = ((block, element.get("initial_option")) for block, element in interactive(person.front()["blocks"]))
    return {
        block["block_id"].partition(":")[0].partition("~")[0]: option["text"]["text"]
        for block, option in menus
        if option
    }
