"""Service accounts: found by name, made, described, removed."""

import json

import httpx
import pytest

from bot.confluent.cloud import ConfluentCloud
from bot.domain.catalog import Account
from bot.domain.errors import CloudRefused, Throttled, Unavailable, Unknown
from bot.domain.keys import Principal
from tests.confluent.fake import ACCOUNTS, OWN_RIGHTS, FakeConfluent, Json, refusal

ONE = Principal("sa-1")


def account(id_: str, name: str, description: str = "") -> Json:
    return {"id": id_, "display_name": name, "description": description}


async def test_accounts_of_a_name_are_found_on_all_pages_when_the_filter_is_ignored(
    cloud: ConfluentCloud, fake: FakeConfluent
) -> None:
    fake.page_length = 2
    fake.ignores = {"display_name"}
    fake.collections[ACCOUNTS] = [
        account("sa-1", "orders"),
        account("sa-2", "orders prod"),
        account("sa-3", "Orders prod"),
        account("sa-4", "orders prod ", "with a space"),
        account("sa-5", "orders prod", "for the web shop [lk:R1/0]"),
    ]

    assert await cloud.accounts_named("orders prod") == (
        Account(Principal("sa-2"), "orders prod", ""),
        Account(Principal("sa-5"), "orders prod", "for the web shop [lk:R1/0]"),
    )
    assert [request.url.params["display_name"] for request in fake.requests] == ["orders prod"] * 3


@pytest.mark.parametrize("name", ["nobody", "a&display_name=orders", "ordérs+1 %"])
async def test_a_name_is_one_filter_whatever_is_in_it(cloud: ConfluentCloud, fake: FakeConfluent, name: str) -> None:
    fake.collections[ACCOUNTS] = [account("sa-1", "orders"), account("sa-2", "ordérs+1 %")]

    found = await cloud.accounts_named(name)

    assert [each.id for each in found] == (["sa-2"] if name == "ordérs+1 %" else [])
    assert fake.requests[0].url.params.get_list("display_name") == [name]


async def test_no_name_is_nobodys(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.collections[ACCOUNTS] = [account("sa-1", "orders"), account("sa-2", "")]

    assert await cloud.accounts_named("") == ()
    assert fake.calls == []


async def test_a_new_account(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    made = await cloud.create_account("orders", "for the web shop [lk:R1/0]")

    assert made == Account(Principal("sa-made00"), "orders", "for the web shop [lk:R1/0]")
    assert fake.calls == [f"POST {ACCOUNTS}"]
    assert json.loads(fake.requests[0].content) == {
        "display_name": "orders",
        "description": "for the web shop [lk:R1/0]",
    }


async def test_an_answer_that_names_the_id_alone_is_as_asked(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.script.append(httpx.Response(200, json={"id": "sa-9"}))

    assert await cloud.create_account("orders", "why") == Account(Principal("sa-9"), "orders", "why")


async def test_a_name_that_is_taken_is_refused(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.collections[ACCOUNTS] = [account("sa-1", "orders")]

    with pytest.raises(CloudRefused, match="Service name is already in use") as caught:
        await cloud.create_account("orders", "")

    assert caught.value.status == 409


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ReadTimeout(""),
        httpx.Response(500),
        httpx.Response(201, content=b"{"),
        httpx.Response(201, json={"display_name": "orders"}),
        httpx.Response(201, json=account("sa-9", "something else")),
    ],
    ids=str,
)
async def test_a_create_without_a_sure_answer_is_tried_once_and_unknown(
    cloud: ConfluentCloud, fake: FakeConfluent, answer: httpx.Response | Exception
) -> None:
    fake.script.append(answer)

    with pytest.raises(Unknown) as caught:
        await cloud.create_account("orders", "")

    assert "The service account may or may not exist" in caught.value.tell
    assert caught.value.__cause__ is None
    assert len(fake.requests) == 1


async def test_an_account_whose_answer_was_lost_is_found_by_its_name(
    cloud: ConfluentCloud, fake: FakeConfluent
) -> None:
    fake.script.append(fake.then_lost)

    with pytest.raises(Unknown):
        await cloud.create_account("orders", "[lk:R1/0]")

    assert [each.description for each in await cloud.accounts_named("orders")] == ["[lk:R1/0]"]


@pytest.mark.parametrize(("answer", "error"), [(httpx.ConnectError(""), Unavailable), (httpx.Response(429), Throttled)])
async def test_a_create_that_surely_did_nothing_says_so(
    cloud: ConfluentCloud, fake: FakeConfluent, answer: httpx.Response | Exception, error: type[Unavailable]
) -> None:
    fake.script.append(answer)

    with pytest.raises(error) as caught:
        await cloud.create_account("orders", "")

    assert "Nothing changed" in caught.value.tell


async def test_a_description_alone_is_changed(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.collections[ACCOUNTS] = [account("sa-1", "orders", "old [lk:R1/0]")]

    await cloud.describe_account(ONE, "")

    assert fake.collections[ACCOUNTS] == [account("sa-1", "orders", "")]
    assert fake.calls == [f"PATCH {ACCOUNTS}/sa-1"]
    assert json.loads(fake.requests[0].content) == {"description": ""}


async def test_a_description_whose_answer_was_lost_is_sent_again(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.collections[ACCOUNTS] = [account("sa-1", "orders", "old")]
    fake.script.append(fake.then_lost)

    await cloud.describe_account(ONE, "new")

    assert fake.calls == [f"PATCH {ACCOUNTS}/sa-1"] * 2


async def test_a_description_that_confluent_ignored_is_not_done(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.script.append(httpx.Response(200, json=account("sa-1", "orders", "old")))

    with pytest.raises(Unavailable, match="different description"):
        await cloud.describe_account(ONE, "new")


async def test_a_deleted_account_is_gone(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.collections[ACCOUNTS] = [account("sa-1", "orders"), account("sa-2", "clicks")]

    await cloud.delete_account(ONE)

    assert fake.collections[ACCOUNTS] == [account("sa-2", "clicks")]
    assert fake.calls == [f"DELETE {ACCOUNTS}/sa-1"]


@pytest.mark.parametrize("status", [403, 404])
async def test_an_account_that_was_gone_already_counts_as_deleted_once_a_list_says_so(
    cloud: ConfluentCloud, fake: FakeConfluent, status: int
) -> None:
    fake.page_length = 1
    fake.collections[ACCOUNTS] = [account("sa-2", "clicks"), account("sa-3", "views")]
    fake.script.append(refusal(status, "errors/404-service-account"))

    await cloud.delete_account(ONE)

    assert fake.calls == [f"DELETE {ACCOUNTS}/sa-1", *[f"GET {ACCOUNTS}"] * 2, *OWN_RIGHTS]


async def test_an_account_that_a_list_may_leave_out_is_not_said_to_be_gone(
    cloud: ConfluentCloud, fake: FakeConfluent
) -> None:
    fake.own_role = "AccountAdmin"
    fake.collections[ACCOUNTS] = []
    fake.script.append(refusal(403))

    with pytest.raises(Throttled):
        await cloud.delete_account(ONE)


@pytest.mark.parametrize("status", [403, 404])
async def test_an_account_that_is_listed_still_was_not_deleted(
    cloud: ConfluentCloud, fake: FakeConfluent, status: int
) -> None:
    fake.page_length = 1
    fake.collections[ACCOUNTS] = [account("sa-2", "clicks"), account("sa-1", "orders")]
    fake.script.append(refusal(status))

    with pytest.raises(CloudRefused) as caught:
        await cloud.delete_account(ONE)

    assert caught.value.status == status


async def test_a_403_on_an_account_proves_nothing_when_the_list_fails(
    cloud: ConfluentCloud, fake: FakeConfluent
) -> None:
    fake.script += [refusal(403), *[httpx.Response(503)] * 9]

    with pytest.raises(Unavailable):
        await cloud.delete_account(ONE)


async def test_other_refusals_of_deleting_an_account_stand(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.script.append(refusal(400))

    with pytest.raises(CloudRefused):
        await cloud.delete_account(ONE)

    assert len(fake.requests) == 1


async def test_an_account_whose_deletion_was_lost_is_deleted(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.collections[ACCOUNTS] = [account("sa-1", "orders")]
    fake.script.append(fake.then_lost)

    await cloud.delete_account(ONE)

    assert fake.collections[ACCOUNTS] == []


@pytest.mark.parametrize("odd", ["", ".", ".."])
async def test_no_odd_id_deletes_other_accounts(cloud: ConfluentCloud, fake: FakeConfluent, odd: str) -> None:
    fake.collections[ACCOUNTS] = [account("sa-1", "orders")]

    await cloud.delete_account(Principal(odd))

    assert fake.calls == [f"GET {ACCOUNTS}", *OWN_RIGHTS]
