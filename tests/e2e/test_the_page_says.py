"""The page that Latchkey implements, sentence by sentence, as people click it: making keys, and what holds for all.

`docs/page.md` numbers the sentences; the docstring of a test begins with the rows that it is about.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from bot.slack.payloads import ids
from sandbox.cast import APPROVALS_CHANNEL, DEV
from sandbox.confluent.model import ServiceAccount
from sandbox.slack.person import PersonAtClient
from tests.support.play import Play, play
from tests.support.walks import (
    buttons_beside,
    buttons_of,
    home_of,
    ids_on,
    is_drawn,
    is_made,
    listed,
    made,
    obtain,
    opened,
    page_of,
    reads,
    says,
    sent,
    take,
)
from tests.support.wishes import FIELDS, NEW, OWN, Wish, ask, choose_account, fill_in, review

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "page.md"
DEV_KEY = "ORDERSDEV0000001"
"""A key of orders-service for orders-dev, made before Latchkey."""
SCOPES = {
    "P23": (Wish(), ["Environment", "Kafka cluster"]),
    "P24": (Wish(kind="schema-registry", cluster="lsrc-dev01"), ["Environment", "Schema Registry"]),
    "P25": (Wish(kind="ksqldb", cluster="enrichment"), ["Environment", "ksqlDB cluster"]),
    "P26": (Wish(kind="flink", cluster="aws.us-east-1"), ["Environment", "Cloud provider", "Region"]),
    "P27": (Wish(kind="cloud", cluster=""), []),
}
"""What the form asks for beside the scope itself."""


def test_every_row_of_the_page_has_a_test_and_every_test_a_row() -> None:
    rows = re.findall(r"^\| ([PB]\d+) \|", PAGE.read_text(), re.MULTILINE)

    for letter in ("P", "B"):
        of_letter = [row for row in rows if row.startswith(letter)]
        assert of_letter == [f"{letter}{number}" for number in range(1, len(of_letter) + 1)]
    assert set(named_in_tests()) == set(rows)


def named_in_tests() -> Iterator[str]:
    """The rows that docstrings of tests begin with: of every test about the page, and of some others."""
    for file in HERE.glob("test_*.py"):
        for each in ast.walk(ast.parse(file.read_text())):
            if isinstance(each, ast.AsyncFunctionDef) and each.name.startswith("test_"):
                about = re.match(r"((?:[PB]\d+ ?)+):", ast.get_docstring(each) or "")
                assert about or not file.name.startswith("test_the_page_says"), f"{each.name} names no row"
                yield from about[1].split() if about else ()


async def test_a_key_lets_its_holder_into_its_resource_and_into_no_other(tmp_path: Path) -> None:
    """P1: keys authenticate and authorise."""
    async with play(tmp_path) as it:
        key = await obtain(it, Wish())
        await minutes_pass(it)

        assert await knock(it, key, "lkc-dev001") == 200
        assert await knock(it, key, "lkc-dev002") == 401
        assert await knock(it, key, "lkc-dev001", secret="wrong") == 401


async def test_keys_are_added_viewed_edited_and_deleted_by_buttons_alone(tmp_path: Path) -> None:
    """P2: view, add, edit, delete."""
    async with play(tmp_path) as it:
        await home_of(it.dana)
        await it.dana.click("Create API key", place="home")
        await it.dana.see("Create an API key")
        await it.dana.close()

        await it.dana.click("List API keys", place="home")
        await it.dana.click("Details", beside="DANASLAPTOP00001", place="modal")
        await it.dana.wait_for(lambda: is_drawn(it.dana, "API key"), "its page")
        for button, submit in (("Edit", "Save"), ("Delete API key", "Delete API key")):
            await it.dana.click(button, place="modal")
            await it.dana.wait_for(lambda: it.dana.front().get("submit"), f"the page to {button}")
            assert says(it.dana.front()["submit"]) == submit
            await it.dana.close()
        assert says(it.dana.front()["title"]) == "API key"


async def test_a_role_describes_changes_and_deletes_keys_where_it_holds_and_nowhere_else(tmp_path: Path) -> None:
    """P3: the permissions are to create, describe, alter and delete. Creating is in the rows of the roles."""
    async with play(tmp_path) as it:
        pavel = it.person("U0PAVEL")  # EnvironmentAdmin too, of production
        assert DEV_KEY not in await listed(pavel)
        for verb in ("show", "edit", "delete"):
            assert "No key with that ID, or you don't have access to it." in await opened(pavel, verb, DEV_KEY)
            await pavel.close(everything=True)

        assert DEV_KEY in await listed(it.erin)
        await opened(it.erin, "edit", DEV_KEY)
        await it.erin.fill({"Name": "orders, dev", "Reason": "It has a new name"})
        await sent(it.erin, "Latchkey will message you when it's done.")
        await reads(it, it.erin, "The key was updated")
        assert "orders, dev" in await page_of(it.erin, DEV_KEY)
        await opened(it.erin, "delete", DEV_KEY)
        await it.erin.fill({"word": "CONFIRM", "Reason": "It is no longer used"})
        await sent(it.erin, "Latchkey will message you when it's done.")
        await reads(it, it.erin, "The key was deleted")
        assert DEV_KEY not in it.stage.organization.api_keys


async def test_a_key_may_do_what_its_account_may_and_the_requester_reads_where_that_is_nothing(tmp_path: Path) -> None:
    """P4: a key has the permissions of its principal."""
    async with play(tmp_path) as it:
        reaches_nothing = "You have no role on this resource, so the key may not be able to access anything."
        said = await review(it.dana, Wish(OWN, cluster="payments-dev"))
        assert reaches_nothing in said
        await it.dana.close(everything=True)
        assert reaches_nothing not in await review(it.dana, Wish(OWN))
        await it.dana.close(everything=True)

        it.stage.faults.data_plane = "reject"
        key = await made(it, Wish())
        await reads(
            it, it.dana, key, "its owner has no permission yet", "Give its owner a role on this resource.", step=20
        )


async def test_a_new_key_is_refused_for_minutes_and_its_requester_reads_when_it_works(tmp_path: Path) -> None:
    """P16: the note about propagation."""
    async with play(tmp_path) as it:
        it.stage.faults.propagation = 150
        key = await made(it, Wish())
        assert "New keys can be rejected for a few minutes." in await reads(it, it.dana, key, step=0)
        assert await knock(it, key, "lkc-dev001") == 401

        await reads(it, it.dana, key, "Working since")

        assert await knock(it, key, "lkc-dev001") == 200
        age = it.stage.clock.now() - it.stage.organization.api_keys[key].created_at
        assert age.total_seconds() >= 150
        other = await made(it, Wish(name="taken at once"))
        said = await take(it, "taken at once", other)
        assert "New keys can be rejected for a few minutes. If that happens, wait a bit and try again." in said


async def test_the_list_of_keys_is_a_command_and_a_button_away(tmp_path: Path) -> None:
    """P17: to the keys page, by address or by menu."""
    async with play(tmp_path) as it:
        assert await listed(it.dana) == ["DANASLAPTOP00001"]

        await it.dana.command("/apikey help")
        await it.dana.click("List API keys")
        await it.dana.wait_for(lambda: is_drawn(it.dana, "API keys"), "the list")
        assert "DANASLAPTOP00001" in says(it.dana.modal)


@pytest.mark.parametrize("way", ["command", "shortcut", "Home", "help"])
async def test_the_form_for_a_new_key_opens_from_everywhere(tmp_path: Path, way: str) -> None:
    """P18: the button to add a key."""
    async with play(tmp_path) as it:
        if way == "command":
            await it.dana.command("/apikey create")
        elif way == "shortcut":
            await it.dana.shortcut("apikey:create")
        else:
            await (it.dana.open_home() if way == "Home" else it.dana.command("/apikey help"))
            await it.dana.click("Create API key")

        await it.dana.wait_for(lambda: it.dana.modal, "the form")
        assert says(it.dana.front()["title"]) == "Create an API key"
        assert await it.dana.options("Account") == ["My account", "Existing service account", "New service account"]


async def test_my_account_is_for_development_and_makes_a_key_of_the_requester(tmp_path: Path) -> None:
    """P19: an account of one's own."""
    async with play(tmp_path) as it:
        await it.dana.command("/apikey create")
        await it.dana.fill({"Account": "My account"})
        await it.dana.see("Recommended for development and testing")
        await it.dana.see("anyone with it can do whatever you can do")
        await it.dana.close()

        key = await obtain(it, Wish(OWN))

        assert it.stage.organization.api_keys[key].owner == "u-dana01"
        assert "Account your own (u-dana01)" in await page_of(it.dana, key)


async def test_an_existing_service_account_is_for_production_and_found_by_typing(tmp_path: Path) -> None:
    """P20: a service account that is there."""
    async with play(tmp_path) as it:
        await it.dana.command("/apikey create")
        await it.dana.fill({"Account": "Existing service account"})
        await it.dana.see("Recommended for production: existing applications")
        assert await it.dana.options("Service account", "pay") == ["payments-service"]
        assert await it.dana.options("Service account", "sa-ord") == ["orders-service"]
        await it.dana.close()

        key = await obtain(it, Wish("payments-service"))

        assert it.stage.organization.api_keys[key].owner == "sa-payments"


async def test_a_new_service_account_has_a_name_and_a_description_and_is_made_with_its_key(tmp_path: Path) -> None:
    """P21: a new service account."""
    async with play(tmp_path) as it:
        olga, before = it.person("U0OLGA"), set(it.stage.organization.service_accounts)
        wish = Wish(NEW, account_name="clicks-service")
        await fill_in(it.dana, wish)
        await it.dana.fill({"Service account description": "Counts clicks"})
        await it.dana.submit()
        await it.dana.see("The service account is created together with the key.")
        await sent(it.dana, "Request sent.")
        await it.card_says("Counts clicks")
        assert set(it.stage.organization.service_accounts) == before
        await olga.click("Approve", in_channel=APPROVALS_CHANNEL)
        key = await it.key_is_there()

        (account,) = set(it.stage.organization.service_accounts) - before
        there: ServiceAccount = it.stage.organization.service_accounts[account]
        assert (there.name, there.description.partition(" [lk:")[0]) == ("clicks-service", "Counts clicks")
        assert it.stage.organization.api_keys[key].owner == account


async def test_the_form_goes_on_once_account_and_scope_are_chosen(tmp_path: Path) -> None:
    """P22: from the account on to the resource scope."""
    async with play(tmp_path) as it:
        await it.dana.command("/apikey create")
        await choose_account(it.dana, Wish())
        await it.dana.fill({"Name": "orders producer", "Reason": "tests"})
        assert set(await it.dana.submit()) >= {"environment"}
        await it.dana.fill({"Environment": "dev"})
        await it.dana.wait_for(lambda: f"resource:kafka:{DEV}" in str(it.dana.modal), "the clusters")
        await it.dana.fill({"Kafka cluster": "orders-dev"})

        assert await it.dana.submit() == {}

        await it.dana.see("Review your request")
        await it.dana.click("Edit request")
        await it.dana.wait_for(lambda: it.dana.front()["callback_id"] == "form", "the form as it was")
        assert "orders producer" in str(it.dana.modal)


@pytest.mark.parametrize("row", SCOPES)
async def test_a_scope_asks_for_what_it_needs_and_gives_a_key_that_works_there(tmp_path: Path, row: str) -> None:
    """P23 P24 P25 P26 P27: Kafka, Schema Registry, ksqlDB, Flink, Cloud resource management."""
    wish, fields = SCOPES[row]
    async with play(tmp_path) as it:
        await fill_in(it.dana, wish)
        places = {"Environment", "Cloud provider", *FIELDS.values()}
        assert [label for label in labels(it.dana) if label in places] == fields
        await it.dana.close()

        await ask(it, it.dana, wish)
        for approver in ("U0OLGA", "U0INES") if row == "P27" else ("U0OLGA",):
            await it.person(approver).click("Approve", beside=wish.name, in_channel=APPROVALS_CHANNEL)
        key = await is_made(it, wish.name)

        assert it.stage.organization.api_keys[key].resource.kind == wish.kind
        await reads(it, it.dana, key, "Working since")
        await it.dana.command("/apikey list")
        await it.dana.wait_for(lambda: is_drawn(it.dana, "API keys"), "the list")
        await it.dana.choose("list:kind", wish.kind)
        await it.dana.wait_for(lambda: set(ids_on(it.dana.front())) == of_its_kind(key, wish), "those of its kind")


async def test_a_name_and_a_description_stand_with_the_key_at_confluent(tmp_path: Path) -> None:
    """P28: a meaningful name, and a description for who wants one."""
    async with play(tmp_path) as it:
        wish = Wish(name="orders producer")
        await fill_in(it.dana, wish)
        await it.dana.fill({"Description": "writes orders"})
        await it.dana.submit()
        await it.dana.see("Review your request")
        await sent(it.dana, "Request sent.")
        await it.card_says("writes orders")
        await it.approve()
        key = it.stage.organization.api_keys[await it.key_is_there()]

        assert key.name == "orders producer"
        assert re.fullmatch(r"writes orders \[lk:[\w-]+/1\]", key.description)
        said = await page_of(it.dana, key.id)
        assert "writes orders" in said
        assert "[lk:" not in said


async def test_key_and_secret_are_shown_with_a_file_to_save(tmp_path: Path) -> None:
    """P29: the page with key and secret, and the download."""
    async with play(tmp_path) as it:
        key = await made(it, Wish())
        await it.dana.click("Show secret")
        await it.dana.see("This is the only time you'll see the secret. Save it now")
        (message,) = (each for each in it.dana.ephemerals if "API secret:" in says(each))
        secret = it.stage.organization.secrets_issued[key]
        assert says(message).count(secret) == 1

        await it.dana.choose(ids.SNIPPET, "file", beside=f"API key: {key}")
        await it.dana.see("=== Confluent Cloud API key ===")
        (file,) = (text for each in it.dana.ephemerals for text in preformatted(each["blocks"]))
        assert secret not in file
        for part in (
            f"API key:\n{key}\n",
            "API secret:\nAPI_SECRET\n",
            "Resource:\nlkc-dev001\n",
            "Bootstrap server:\n",
        ):
            assert part in file


async def test_after_i_saved_it_the_secret_is_gone_and_the_key_is_in_the_list(tmp_path: Path) -> None:
    """P30: complete; from that point on nobody can read the secret."""
    async with play(tmp_path) as it:
        key = await made(it, Wish())
        secret = it.stage.organization.secrets_issued[key]
        (message,) = (each for each in it.dana.messages() if "Show secret" in buttons_of(each))
        await it.dana.click("Show secret")
        await it.dana.see(secret)
        await it.dana.click("I saved it")
        await it.dana.wait_for(lambda: not it.dana.sees(secret), "the secret to go")

        assert key in await listed(it.dana)
        await it.press("U0DANA", it.dana.dm, message, "Show secret")
        await it.dana.see("You viewed this secret")
        assert not it.dana.sees(secret)
        assert "Show secret" not in buttons_beside(it.dana, key)
        await reads(it, it.dana, key, "you saved the secret for key")


async def knock(it: Play, key: str, cluster: str, *, secret: str = "") -> int:
    """What a Kafka cluster answers to who comes with this key: an HTTP status."""
    url = f"{it.stage.confluent_url}/dataplane/{cluster}/kafka/v3/clusters/{cluster}/topics"
    auth = (key, secret or it.stage.organization.secrets_issued[key])
    async with httpx.AsyncClient() as client:
        return (await client.get(url, auth=auth)).status_code


def of_its_kind(key: str, wish: Wish) -> set[str]:
    """The keys of this kind that Dana sees, once she has this one."""
    return {key, "DANASLAPTOP00001"} if wish.kind == "kafka" else {key}


async def minutes_pass(it: Play) -> None:
    """Let a new key spread."""
    it.advance(minutes=5)


def labels(person: PersonAtClient) -> list[str]:
    """The labels of the fields in the modal in front, in order."""
    return [says(block["label"]) for block in person.front()["blocks"] if block["type"] == "input"]


def preformatted(node: object) -> Iterator[str]:
    """The texts that can be copied as they stand."""
    if isinstance(node, list):
        for each in node:
            yield from preformatted(each)
    elif isinstance(node, dict) and node.get("type") == "rich_text_preformatted":
        yield says(node)
    elif isinstance(node, dict):
        yield from preformatted(node.get("elements"))
