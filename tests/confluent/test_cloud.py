import json
from datetime import UTC, datetime

import httpx
import pytest

from bot.confluent.cloud import ConfluentCloud
from bot.domain.catalog import Environment, User
from bot.domain.errors import CloudRefused, LatchkeyError, NotFound, Throttled, Unavailable, Unknown
from bot.domain.keys import ApiKey, Cluster, KeyId, MyAccount, Principal, Secret, ServiceAccount
from bot.domain.kinds import Kind
from bot.domain.roles import Binding
from bot.services.ports.cloud import NewKey
from tests.confluent.fake import (
    ACCOUNTS,
    CLUSTERS,
    KEYS,
    NEW_SECRET,
    ORGANIZATION,
    OWN_RIGHTS,
    FakeConfluent,
    api_key,
    cluster,
    refusal,
    sample,
)

DEV = Environment("env-abc123", "dev")
ORDERS = Cluster(Kind.KAFKA, "lkc-abc123", "orders", "env-abc123", "dev")
OWNER = ServiceAccount(Principal("sa-abc123"), "orders-service")
NEW = NewKey(OWNER, ORDERS, "orders producer", "Asked for in Slack by u-abc123")


async def delete(cloud: ConfluentCloud, key: str) -> bool:
    return await cloud.delete_key(KeyId(key), OWNER.id, ORDERS)


# --------------------------------------------------------------------------------------------------------------- create


async def test_a_new_key_comes_with_its_secret(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    key, secret = await cloud.create_key(NEW)

    assert secret == Secret(NEW_SECRET)
    assert (key.owner, key.resource, key.name, key.description) == (OWNER.id, ORDERS.id, NEW.name, NEW.description)
    assert key.created_at == datetime(2026, 3, 23, 6, 49, 17, 727825, tzinfo=UTC)
    assert fake.calls == [f"POST {KEYS}"]


@pytest.mark.parametrize("status", [200, 201, 202])
async def test_every_documented_success_of_a_create_is_one(
    cloud: ConfluentCloud, fake: FakeConfluent, status: int
) -> None:
    fake.script.append(httpx.Response(status, json={"id": "K1", "spec": {"secret": NEW_SECRET}}))

    key, secret = await cloud.create_key(NEW)

    assert secret.reveal() == NEW_SECRET
    assert (key.id, key.owner, key.resource, key.name) == ("K1", OWNER.id, ORDERS.id, NEW.name)


@pytest.mark.parametrize(
    "body",
    [
        {"id": "K1"},
        {"id": "K1", "spec": {}},
        {"id": "K1", "spec": {"secret": ""}},
        {"id": "K1", "spec": {"secret": None}},
        {"id": "", "spec": {"secret": NEW_SECRET}},
        {"spec": {"secret": NEW_SECRET}},
        api_key("K1", owner="sa-other1", secret=NEW_SECRET),
        api_key("K1", resource="lkc-other1", secret=NEW_SECRET),
        api_key("K1", resource="cloud", secret=NEW_SECRET),
    ],
)
async def test_a_key_other_than_the_one_asked_for_is_not_handed_out(
    cloud: ConfluentCloud, fake: FakeConfluent, body: object
) -> None:
    fake.script.append(httpx.Response(202, json=body))

    with pytest.raises(Unknown):
        await cloud.create_key(NEW)


async def test_a_key_whose_answer_was_lost_shows_in_the_list(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.script.append(fake.then_lost)

    with pytest.raises(Unknown):
        await cloud.create_key(NEW)

    [key] = await cloud.keys(OWNER.id, ORDERS)
    assert key.description == NEW.description
    assert fake.calls.count(f"POST {KEYS}") == 1


# ----------------------------------------------------------------------------------------------------------------- keys


async def test_keys_are_filtered_by_confluent_and_again_here(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.ignores = {"spec.owner", "spec.resource"}
    fake.collections[KEYS] = [
        api_key("MINE", display_name="", description="by hand"),
        api_key("OTHEROWNER", owner="sa-other1"),
        api_key("OTHERCLUSTER", resource="lkc-other1"),
        api_key("CLOUD", resource=None),
        api_key("INTERNAL", owner=None),
        api_key("MULTI", resource=None, resources=[{"id": "lkc-other1"}, {"id": "lkc-abc123"}]),
    ]

    keys = await cloud.keys(OWNER.id, ORDERS)

    assert [key.id for key in keys] == ["MINE", "MULTI"]
    assert dict(fake.requests[0].url.params) == {
        "page_size": "100",
        "spec.owner": "sa-abc123",
        "spec.resource": "lkc-abc123",
    }


async def test_the_samples_of_a_list_are_read_to_the_end(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.script += [httpx.Response(200, json=sample(f"api-keys/list-page-{page}")) for page in ("1", "last")]

    [key] = await cloud.keys(OWNER.id, ORDERS)

    assert (key.id, key.name, key.owner) == ("EXAMPLEKEY000000", "orders producer", "sa-abc123")


async def test_a_deleted_key_is_gone(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.collections[KEYS] = [api_key("K1"), api_key("K2")]

    assert await delete(cloud, "K1") is True

    assert [row["id"] for row in fake.collections[KEYS]] == ["K2"]


@pytest.mark.parametrize("status", [403, 404])
async def test_a_key_that_was_gone_already_counts_as_deleted_once_a_list_says_so(
    cloud: ConfluentCloud, fake: FakeConfluent, status: int
) -> None:
    fake.collections[KEYS] = [api_key("K2")]
    fake.script.append(refusal(status))

    assert await delete(cloud, "K1") is False

    assert fake.calls == [f"DELETE {KEYS}/K1", f"GET {KEYS}", *OWN_RIGHTS]


@pytest.mark.parametrize("status", [403, 404])
async def test_a_list_that_may_leave_out_what_is_there_proves_nothing(
    cloud: ConfluentCloud, fake: FakeConfluent, status: int
) -> None:
    fake.own_role = "EnvironmentAdmin"
    fake.script.append(refusal(status))

    with pytest.raises(Throttled, match="OrganizationAdmin") as caught:
        await delete(cloud, "K1")

    assert "so it can't tell what was deleted. Nothing changed." in caught.value.tell


async def test_who_may_not_read_the_own_roles_is_not_shown_everything(
    cloud: ConfluentCloud, fake: FakeConfluent
) -> None:
    fake.script += [refusal(403), httpx.Response(200, json={"data": []}), *[refusal(403)] * 3]

    with pytest.raises(Throttled, match="couldn't read the roles of Latchkey's own account"):
        await delete(cloud, "K1")


@pytest.mark.parametrize("status", [403, 404])
async def test_a_key_that_is_listed_still_was_not_deleted(
    cloud: ConfluentCloud, fake: FakeConfluent, status: int
) -> None:
    fake.collections[KEYS] = [api_key("K1")]
    fake.script.append(refusal(status))

    with pytest.raises(CloudRefused) as caught:
        await delete(cloud, "K1")

    assert (caught.value.status, caught.value.reference) == (status, "request-1")


async def test_a_403_proves_nothing_when_the_list_fails(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.script += [refusal(403), *[httpx.Response(503)] * 9]

    with pytest.raises(Unavailable):
        await delete(cloud, "K1")


async def test_other_refusals_of_a_delete_stand(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.script.append(refusal(400))

    with pytest.raises(CloudRefused):
        await delete(cloud, "K1")

    assert len(fake.requests) == 1


async def test_a_delete_whose_answer_was_lost_is_repeated_and_done(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.collections[KEYS] = [api_key("K1")]
    fake.script.append(fake.then_lost)

    assert await delete(cloud, "K1") is True  # as far as anyone can tell

    assert fake.collections[KEYS] == []
    assert fake.calls == [f"DELETE {KEYS}/K1", f"DELETE {KEYS}/K1", f"GET {KEYS}", *OWN_RIGHTS]


async def test_a_key_that_was_gone_when_confluent_had_said_to_wait_was_deleted_by_someone_else(
    cloud: ConfluentCloud, fake: FakeConfluent
) -> None:
    fake.collections[KEYS] = [api_key("K2")]
    fake.script += [httpx.Response(429, headers={"Retry-After": "0"}), refusal(404)]

    assert await delete(cloud, "K1") is False


async def test_our_own_key_being_refused_is_no_proof_of_absence(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.script.append(refusal(403, "errors/403-gateway-invalid-key"))

    with pytest.raises(Unavailable, match="DELETE"):
        await delete(cloud, "K1")

    assert len(fake.requests) == 1


@pytest.mark.parametrize("odd", ["", ".", ".."])
async def test_no_odd_id_deletes_something_else(cloud: ConfluentCloud, fake: FakeConfluent, odd: str) -> None:
    assert await delete(cloud, odd) is False

    assert fake.calls == [f"GET {KEYS}", *OWN_RIGHTS]


# --------------------------------------------------------------------------------------------------- one key, all keys


async def test_a_key_is_read_afresh(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.script.append(httpx.Response(200, json=sample("api-keys/get-response-user-owner")))

    key = await cloud.key(KeyId("EXAMPLEKEY000100"))

    assert key == ApiKey(
        KeyId("EXAMPLEKEY000100"),
        Principal("u-abc123"),
        "lkc-abc123",
        "orders producer",
        "Asked for in Slack by u-abc123",
        datetime(2026, 3, 23, 6, 49, 17, 727825, tzinfo=UTC),
        Kind.KAFKA,
    )


@pytest.mark.parametrize("status", [403, 404])
async def test_a_key_that_confluent_does_not_show_is_none_in_one_call(
    cloud: ConfluentCloud, fake: FakeConfluent, status: int
) -> None:
    fake.script.append(refusal(status))

    assert await cloud.key(KeyId("K1")) is None
    assert fake.calls == [f"GET {KEYS}/K1"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refusal(400), CloudRefused),
        (httpx.Response(503), Unavailable),
        (refusal(403, "errors/403-gateway-invalid-key"), Unavailable),
    ],
    ids=str,
)
async def test_no_other_trouble_passes_for_a_key_that_is_gone(
    cloud: ConfluentCloud, fake: FakeConfluent, answer: httpx.Response, error: type[LatchkeyError]
) -> None:
    fake.script += [answer] * 9

    with pytest.raises(error):
        await cloud.key(KeyId("K1"))


async def test_all_keys_of_an_owner_are_found_on_all_pages(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.ignores = {"spec.owner"}
    fake.page_length = 2
    fake.collections[KEYS] = [
        api_key("K1"),
        api_key("K2", owner="sa-other1"),
        api_key("K3", resource=None),
        api_key("K4", owner=None),
        api_key("K5", resource="lsrc-1"),
    ]

    keys = await cloud.keys_of(OWNER.id)

    assert [(key.id, key.kind) for key in keys] == [
        ("K1", Kind.KAFKA),
        ("K3", Kind.CLOUD),
        ("K5", Kind.SCHEMA_REGISTRY),
    ]
    assert len(fake.requests) == 3
    assert fake.requests[0].url.params["spec.owner"] == OWNER.id


async def test_nobodys_keys_are_not_everybodys(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    """Confluent takes an empty filter for none; its own keys have no owner."""
    fake.collections[KEYS] = [api_key("K1"), api_key("INTERNAL", owner=None)]

    assert await cloud.keys_of(Principal("")) == ()
    assert await cloud.keys(Principal(""), ORDERS) == ()
    assert fake.calls == []


async def test_the_organizations_keys_come_page_by_page(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.page_length = 2
    rows = [api_key(f"K{number}", owner=f"sa-{number}") for number in range(4)]
    fake.collections[KEYS] = [*rows[:3], api_key("INTERNAL", owner=None), rows[3]]

    first, then = await cloud.key_page("")
    second, last = await cloud.key_page(then)
    third, after = await cloud.key_page(last)

    assert [[key.id for key in page] for page in (first, second, third)] == [["K0", "K1"], ["K2"], ["K3"]]
    assert after == ""
    assert [dict(request.url.params) for request in fake.requests][:2] == [
        {"page_size": "100"},
        {"page_size": "100", "page_token": then},
    ]


async def test_a_page_of_keys_whose_token_has_expired_is_not_found(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.script += [refusal(400, "errors/400-filter"), refusal(400, "errors/400-filter")]

    with pytest.raises(NotFound):
        await cloud.key_page("expired")
    with pytest.raises(CloudRefused):  # nothing can have expired here
        await cloud.key_page("")


# ----------------------------------------------------------------------------------------------------------------- edit


async def test_an_edit_sends_both_texts_and_gives_the_key_as_it_is(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.collections[KEYS] = [api_key("K1", display_name="old", description="old")]
    said = sample("api-keys/patch-request")

    key = await cloud.edit_key(KeyId("K1"), said["spec"]["display_name"], said["spec"]["description"])

    assert json.loads(fake.requests[0].content) == said
    assert (key.name, key.description) == ("orders producer (old)", "Replaced by EXAMPLEKEY000001 on 2026-06-21")
    assert (key.owner, key.resource, key.kind) == (OWNER.id, ORDERS.id, Kind.KAFKA)
    assert fake.calls == [f"PATCH {KEYS}/K1"]


async def test_an_edit_can_empty_both_texts(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.collections[KEYS] = [api_key("K1", display_name="old", description="old")]

    await cloud.edit_key(KeyId("K1"), "", "")

    assert fake.collections[KEYS] == [api_key("K1", display_name="", description="")]


@pytest.mark.parametrize(
    "answer",
    [
        api_key("K1", display_name="old", description="old"),
        api_key("K1", display_name="new", description="old"),
        api_key("K1", display_name="old", description="new"),
        api_key("K1"),
    ],
)
async def test_an_edit_that_confluent_ignored_is_not_done(
    cloud: ConfluentCloud, fake: FakeConfluent, answer: object
) -> None:
    fake.script.append(httpx.Response(200, json=answer))

    with pytest.raises(Unavailable, match="different name or description"):
        await cloud.edit_key(KeyId("K1"), "new", "new")


async def test_an_edit_whose_answer_was_lost_is_repeated_and_done(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.collections[KEYS] = [api_key("K1", display_name="old", description="old")]
    fake.script.append(fake.then_lost)

    key = await cloud.edit_key(KeyId("K1"), "new", "new")

    assert (key.name, key.description) == ("new", "new")
    assert fake.calls == [f"PATCH {KEYS}/K1"] * 2


async def test_an_edit_whose_answers_are_all_lost_may_have_happened(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.collections[KEYS] = [api_key("K1", display_name="old", description="old")]
    fake.script += [fake.then_lost] * 9

    with pytest.raises(Unavailable) as caught:
        await cloud.edit_key(KeyId("K1"), "new", "new")

    assert "Nothing changed" not in caught.value.tell
    assert fake.collections[KEYS][0]["spec"]["display_name"] == "new"


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422])
async def test_a_refused_edit_is_refused(cloud: ConfluentCloud, fake: FakeConfluent, status: int) -> None:
    fake.script.append(refusal(status))

    with pytest.raises(CloudRefused) as caught:
        await cloud.edit_key(KeyId("K1"), "new", "new")

    assert caught.value.status == status
    assert len(fake.requests) == 1


# ------------------------------------------------------------------------------------------------------------- clusters


async def test_clusters_in_use_are_listed_by_name(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.collections[CLUSTERS] = [
        cluster("lkc-1", "zebra"),
        cluster("lkc-2", "Ant"),
        cluster("lkc-3", ""),
        cluster("lkc-4", "failed", status={"phase": "FAILED"}),
        cluster("lkc-5", "deleted", metadata={"deleted_at": "2026-03-23T06:49:17Z"}),
        cluster("lkc-6", "elsewhere", environment="env-other1"),
        cluster("lkc-7", "bee", status={"phase": "A_NEW_PHASE"}),
        cluster("lkc-8", "cat", status=None),
    ]

    clusters = await cloud.resources(Kind.KAFKA, DEV)

    assert [each.name for each in clusters] == ["Ant", "bee", "cat", "lkc-3", "zebra"]
    assert clusters[0] == Cluster(Kind.KAFKA, "lkc-2", "Ant", "env-abc123", "dev")
    assert fake.requests[0].url.params["environment"] == "env-abc123"


# ---------------------------------------------------------------------------------------------- organization and people


async def test_the_organization_is_asked_for_once(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    assert [await cloud.organization(), await cloud.organization()] == [ORGANIZATION] * 2
    assert len(fake.requests) == 1


async def test_a_key_without_an_organization_is_for_operators(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.collections["/org/v2/organizations"] = []

    with pytest.raises(Unavailable) as caught:
        await cloud.organization()

    assert "Ask your Latchkey administrator to look into it" in caught.value.tell


async def test_lists_of_names_are_sorted(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.page_length = 1
    named = [("3", "b"), ("1", "A"), ("2", "a"), ("4", "")]
    fake.collections |= {
        "/org/v2/environments": [{"id": f"env-{each}", "display_name": name} for each, name in named],
        ACCOUNTS: [{"id": f"sa-{each}", "display_name": name} for each, name in named],
    }

    assert [each.id for each in await cloud.environments()] == ["env-1", "env-2", "env-3", "env-4"]
    assert [each.name for each in await cloud.service_accounts()] == ["A", "a", "b", "sa-4"]


async def test_a_service_account_is_read_afresh(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.collections[ACCOUNTS] = [{"id": "sa-1", "display_name": "orders-service"}]

    assert await cloud.service_account(Principal("sa-1")) == ServiceAccount(Principal("sa-1"), "orders-service")
    assert await cloud.service_account(Principal("sa-2")) is None
    for status in (403, 404):  # either says also that one may not read it alone: the list decides
        fake.script.append(refusal(status, "errors/404-service-account"))
        assert await cloud.service_account(Principal("sa-1")) == ServiceAccount(Principal("sa-1"), "orders-service")
    fake.script.append(refusal(400))
    with pytest.raises(CloudRefused):
        await cloud.service_account(Principal("sa-1"))


async def test_users_have_normal_emails(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.collections["/iam/v2/users"] = [
        {"id": "u-2", "email": " Zoe@Example.COM ", "full_name": "Zoe", "auth_type": "AUTH_TYPE_NEW"},
        {"id": "u-1", "email": None},
    ]

    assert await cloud.users() == (User(Principal("u-1"), "", ""), User(Principal("u-2"), "zoe@example.com", "Zoe"))


async def test_role_bindings_are_those_here_and_below_of_that_principal_alone(
    cloud: ConfluentCloud, fake: FakeConfluent
) -> None:
    here = f"crn://confluent.cloud/organization={ORGANIZATION}"
    below = f"{here}/environment=env-abc123/cloud-cluster=lkc-1/kafka=lkc-1/topic=orders%3A*"

    def row(id_: str, principal: str = "User:u-1", role: str = "Operator", crn: str = here) -> dict[str, str]:
        return {"id": id_, "principal": principal, "role_name": role, "crn_pattern": crn}

    pages = {
        here: [row("rb-1", role="OrganizationAdmin"), row("rb-2", principal="User:u-11")],
        f"{here}/*": [
            row("rb-1", role="OrganizationAdmin"),
            row("rb-3", role="DeveloperRead", crn=below),
            row("rb-4", principal="Group:u-1"),
            row("rb-5", role=""),
            row("rb-6", crn=""),
        ],
    }

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.params["principal"] == "User:u-1"
        return httpx.Response(200, json={"data": pages[request.url.params["crn_pattern"]]})

    await cloud.organization()
    fake.script += [answer, answer]

    assert await cloud.role_bindings(Principal("u-1")) == (
        Binding(Principal("u-1"), "OrganizationAdmin", here),
        Binding(Principal("u-1"), "DeveloperRead", below),
    )


async def test_half_of_the_role_bindings_is_an_error(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    await cloud.organization()
    fake.script += [httpx.Response(200, json={"data": []}), refusal(403)]

    with pytest.raises(CloudRefused):
        await cloud.role_bindings(Principal("u-1"))


async def test_a_user_key_is_asked_for_by_the_users_id(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    key, _ = await cloud.create_key(NewKey(MyAccount(Principal("u-abc123")), ORDERS, "mine", "for me"))

    assert key.owner == "u-abc123"


# ---------------------------------------------------------------------------------------------------------- our own key


async def test_the_owner_of_our_own_key_is_told(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.own_owner = "sa-latchk"

    assert await cloud.own_account() == "sa-latchk"


async def test_not_knowing_whose_key_we_use_is_no_answer(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.own_owner = ""

    with pytest.raises(Unavailable, match="owner of CONFLUENT_CLOUD_API_KEY"):
        await cloud.own_account()
