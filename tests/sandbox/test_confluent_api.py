"""The sandbox's Confluent Cloud as a client meets it: paging, filters, keys, roles, catalog."""

import base64
import re
import zlib
from datetime import timedelta
from typing import Any

import httpx
import pytest

from sandbox.cast import ORG_CRN, ORGANIZATION
from sandbox.confluent import Faults, Organization
from sandbox.confluent.model import Quota, new_secret
from tests.sandbox.confluent_client import ACCOUNTS, BINDINGS, KEYS, Clock, ask, names, sign_in

# ------------------------------------------------------------------------------------------------------ who is calling


async def test_an_unknown_key_is_refused_in_the_recorded_form(api: httpx.AsyncClient) -> None:
    answer = await api.get("/org/v2/environments", auth=("NOSUCHKEY0000000", "x"))

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith('Basic error="invalid_key"')
    (error,) = answer.json()["errors"]
    assert error == {"id": answer.headers["X-Request-Id"], "status": "401", "detail": "Unauthorized", "source": {}}


@pytest.mark.parametrize("header", ["", "Bearer x", "Basic", "Basic !!!", "Basic bm9jb2xvbg=="])
async def test_a_malformed_authorization_header_is_refused(api: httpx.AsyncClient, header: str) -> None:
    api.auth = None  # type: ignore[assignment]

    assert (await api.get("/org/v2/environments", headers={"Authorization": header})).status_code == 401


async def test_a_key_of_a_cluster_does_not_open_the_api(api: httpx.AsyncClient, organization: Organization) -> None:
    sign_in(api, organization, "u-olga01", "lkc-prod01")

    assert (await api.get("/org/v2/environments")).status_code == 401


async def test_a_tableflow_key_opens_tableflow_alone(api: httpx.AsyncClient, organization: Organization) -> None:
    sign_in(api, organization, "u-olga01", "tableflow")

    assert (await api.get("/tableflow/v1/regions")).status_code == 200
    assert (await api.get("/org/v2/environments")).status_code == 401


async def test_a_new_cloud_key_opens_the_api_after_it_has_spread(
    api: httpx.AsyncClient, faults: Faults, clock: Clock
) -> None:
    faults.propagation = 10
    made = (await api.post(KEYS, json=ask("sa-orders", None))).json()
    auth = (made["id"], made["spec"]["secret"])

    assert (await api.get("/org/v2/environments", auth=auth)).status_code == 401
    clock.time += timedelta(seconds=10)
    assert (await api.get("/org/v2/environments", auth=auth)).status_code == 200


# --------------------------------------------------------------------------------------------------------------- pages


async def test_pages_follow_the_token_of_next(api: httpx.AsyncClient, organization: Organization) -> None:
    found: list[str] = []
    params = {"page_size": "3"}
    while True:
        body = (await api.get(KEYS, params=params)).json()
        found += [key["id"] for key in body["data"]]
        address = body["metadata"].get("next")
        if not address:
            break
        assert address.startswith("https://api.confluent.cloud/iam/v2/api-keys?")
        token = httpx.URL(address).params["page_token"]
        assert len(token) <= 255
        params = {"page_token": token}

    assert found == list(organization.api_keys)


async def test_next_keeps_the_filters(api: httpx.AsyncClient) -> None:
    body = (await api.get(KEYS, params={"spec.owner": "sa-orders", "page_size": "1"})).json()

    assert httpx.URL(body["metadata"]["next"]).params["spec.owner"] == "sa-orders"


async def test_ten_items_are_a_page_unless_asked_otherwise(api: httpx.AsyncClient) -> None:
    assert len((await api.get("/iam/v2/users")).json()["data"]) == 10


@pytest.mark.parametrize(
    "params",
    [{"page_size": "101"}, {"page_size": "0"}, {"page_size": "ten"}, {"page_token": "x"}, {"page_token": "e30"}],
)
async def test_a_page_there_cannot_be_is_a_bad_request(api: httpx.AsyncClient, params: dict[str, str]) -> None:
    answer = await api.get(KEYS, params=params)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["source"] == {"parameter": next(iter(params))}


async def test_quotas_may_come_in_pages_of_two_hundred(api: httpx.AsyncClient) -> None:
    params = {"scope": "ORGANIZATION", "page_size": "200"}

    assert (await api.get("/service-quota/v1/applied-quotas", params=params)).status_code == 200


async def test_unknown_parameters_and_empty_filters_do_not_filter(api: httpx.AsyncClient) -> None:
    everything = await names(api, KEYS)

    assert await names(api, KEYS, **{"spec.ownr": "sa-orders", "spec.owner": ""}) == everything


async def test_key_filters_are_exact_and_joined(api: httpx.AsyncClient) -> None:
    assert await names(api, KEYS, **{"spec.owner": "sa-orders", "spec.resource": "lkc-dev001"}) == ["ORDERSDEV0000001"]
    assert await names(api, KEYS, **{"spec.owner": "sa-order"}) == []


# ---------------------------------------------------------------------------------------------------------------- keys


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ({"id": "lkc-dev001"}, ("Cluster", "cmk/v2", "lkc-dev001")),
        ({"id": "lsrc-dev01"}, ("Cluster", "srcm/v3", "lsrc-dev01")),
        ({"id": "lksqlc-dev01"}, ("ksqlDB", "ksqldbcm/v2", "lksqlc-dev01")),
        ({"id": "aws.us-east-1", "environment": "env-dev001"}, ("Region", "fcpm/v2", "aws.us-east-1")),
        ({"id": "env-dev001.aws.us-east-1"}, ("Region", "fcpm/v2", "env-dev001.aws.us-east-1")),
        ({"id": "cloud"}, ("Cloud", "iam/v2", "cloud")),
        (None, ("Cloud", "iam/v2", "cloud")),
        ({"id": "tableflow"}, ("Tableflow", "tableflow/v1", "tableflow")),
        ({"id": "global"}, ("Global", "global/v1", "global")),
    ],
)
async def test_every_kind_of_key_can_be_made(
    api: httpx.AsyncClient, resource: dict[str, str] | None, expected: tuple[str, str, str]
) -> None:
    answer = await api.post(KEYS, json=ask("sa-orders", resource, display_name="n", description="d", nonsense=1))

    assert answer.status_code == 202
    body = answer.json()
    assert answer.headers["Location"] == f"https://api.confluent.cloud{KEYS}/{body['id']}"
    made_for = body["spec"]["resource"]
    forms = {expected} | ({("SchemaRegistry", "srcm/v2", expected[2])} if expected[1] == "srcm/v3" else set())
    assert (made_for["kind"], made_for["api_version"], made_for["id"]) in forms
    assert made_for.get("environment") == (resource or {}).get("environment")
    assert (body["spec"]["display_name"], body["spec"]["description"]) == ("n", "d")


async def test_a_schema_registrys_keys_come_in_both_recorded_forms(api: httpx.AsyncClient) -> None:
    made = [(await api.post(KEYS, json=ask("sa-orders", {"id": "lsrc-dev01"}))).json() for _ in range(40)]

    resources = [each["spec"]["resource"] for each in made]
    assert {(each["kind"], each["api_version"]) for each in resources} == {
        ("Cluster", "srcm/v3"),
        ("SchemaRegistry", "srcm/v2"),
    }


async def test_a_secret_is_given_once_and_only_its_digest_is_kept(
    api: httpx.AsyncClient, organization: Organization
) -> None:
    made = (await api.post(KEYS, json=ask("sa-orders", {"id": "lkc-dev001"}))).json()
    secret = made["spec"]["secret"]

    assert re.fullmatch(r"[A-Z0-9]{16}", made["id"])
    assert re.fullmatch(r"cflt[A-Za-z0-9+/]{60}", secret)
    later = [
        await api.get(f"{KEYS}/{made['id']}"),
        await api.get(KEYS, params={"page_size": "100"}),
        await api.patch(f"{KEYS}/{made['id']}", json={"spec": {"display_name": "new"}}),
    ]
    assert not any(secret in answer.text for answer in later)
    assert secret not in repr(organization)
    assert organization.secrets_issued[made["id"]] == secret


async def test_an_edit_changes_name_and_description_and_ignores_the_rest(api: httpx.AsyncClient, clock: Clock) -> None:
    clock.time += timedelta(minutes=1)
    body = {"spec": {"display_name": "renamed", "owner": {"id": "sa-etl001"}, "descripton": "misspelt"}}
    edited = (await api.patch(f"{KEYS}/ORDERSPROD000001", json=body)).json()

    assert edited["spec"]["display_name"] == "renamed"
    assert edited["spec"]["description"] == "orders service, made by hand"
    assert edited["spec"]["owner"]["id"] == "sa-orders"
    assert edited["metadata"]["updated_at"] == "2026-03-23T12:01:00.000000Z"


async def test_a_deleted_key_is_forbidden_not_missing(api: httpx.AsyncClient) -> None:
    deleted = await api.delete(f"{KEYS}/ORDERSPROD000001")
    assert (deleted.status_code, deleted.content) == (204, b"")

    for answer in (await api.get(f"{KEYS}/ORDERSPROD000001"), await api.delete(f"{KEYS}/ORDERSPROD000001")):
        assert answer.status_code == 403
        assert answer.json()["errors"][0]["code"] == "forbidden_access"
    assert "ORDERSPROD000001" not in await names(api, KEYS)


async def test_a_key_of_confluent_itself_has_no_owner(api: httpx.AsyncClient) -> None:
    assert "owner" not in (await api.get(f"{KEYS}/CONFLUENTINTERN1")).json()["spec"]


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({}, 422, "/spec"),
        ({"spec": {}}, 422, "/spec/owner"),
        ({"spec": {"owner": {}}}, 422, "/spec/owner/id"),
        ({"spec": {"owner": {"id": 7}}}, 400, "/spec/owner/id"),
        (ask("sa-nobody", None), 422, "/spec/owner/id"),
        (ask("sa-orders", {"id": "lkc-nosuch"}), 422, "/spec/resource"),
        (ask("sa-orders", {"id": "aws.us-east-1"}), 422, "/spec/resource"),
        (ask("sa-orders", {"id": "aws.us-east-1", "environment": "env-nosuch"}), 422, "/spec/resource"),
        (ask("sa-orders", {}), 422, "/spec/resource/id"),
        ({"spec": {"owner": {"id": "sa-orders"}, "resource": "cloud"}}, 400, "/spec/resource"),
        (ask("sa-orders", None, display_name=["x"]), 400, "/spec/display_name"),
    ],
)
async def test_a_create_that_cannot_be_names_the_field(
    api: httpx.AsyncClient, organization: Organization, body: dict[str, Any], status: int, pointer: str
) -> None:
    before = len(organization.api_keys)
    answer = await api.post(KEYS, json=body)

    assert answer.status_code == status
    assert answer.json()["errors"][0]["source"] == {"pointer": pointer}
    assert len(organization.api_keys) == before


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff"])
async def test_a_body_that_is_no_json_object_is_a_bad_request(api: httpx.AsyncClient, content: bytes) -> None:
    assert (await api.post(KEYS, content=content)).status_code == 400


@pytest.mark.parametrize(
    ("code", "resource", "owner", "words"),
    [
        ("iam.max_cluster_api_keys.per_service_account", "lkc-dev001", "sa-orders", "This service account"),
        ("iam.max_cloud_api_keys.per_service_account", "cloud", "sa-etl001", "This service account"),
        ("iam.max_cluster_api_keys.per_user", "lkc-dev001", "u-dana01", "This user"),
        ("iam.max_cloud_api_keys.per_org", "cloud", "sa-orders", "Your organization"),
        ("kafka.max_api_keys.per_cluster", "lkc-dev001", "sa-etl001", "This cluster"),
    ],
)
async def test_a_quota_refuses_with_the_limit_in_words(
    api: httpx.AsyncClient, organization: Organization, code: str, resource: str, owner: str, words: str
) -> None:
    organization.quotas[code] = Quota(code, "ORGANIZATION", code, 1, 1)
    answer = await api.post(KEYS, json=ask(owner, {"id": resource}))

    assert answer.status_code == 402
    (error,) = answer.json()["errors"]
    assert (error["code"], error["detail"]) == ("quota_exceeded", f"{words} is currently limited to 1 API keys")


# --------------------------------------------------------------------------------------------------- what roles allow

CREATE = [
    ("u-erin01", "sa-orders", {"id": "lkc-dev001"}, 202),
    ("u-erin01", "sa-orders", {"id": "lsrc-dev01"}, 202),
    ("u-erin01", "sa-orders", {"id": "aws.us-east-1", "environment": "env-dev001"}, 202),
    ("u-erin01", "sa-orders", {"id": "lkc-prod01"}, 403),
    ("u-erin01", "sa-orders", {"id": "cloud"}, 403),
    ("u-chiyo1", "sa-orders", {"id": "lkc-prod01"}, 202),
    ("u-chiyo1", "sa-orders", {"id": "lkc-prod02"}, 403),
    ("u-kim001", "sa-orders", {"id": "lksqlc-dev01"}, 202),
    ("u-kim001", "sa-orders", {"id": "lkc-dev001"}, 403),
    ("u-ravi01", "sa-orders", {"id": "lkc-prod01"}, 202),
    ("u-ravi01", "u-ravi01", {"id": "lkc-prod01"}, 403),
    ("u-ravi01", "sa-orders", {"id": "cloud"}, 403),
    ("u-sami01", "sa-orders", {"id": "lsrc-prod01"}, 202),
    ("u-sami01", "sa-payments", {"id": "lkc-prod01"}, 403),
    ("u-sami01", "u-sami01", {"id": "lkc-prod01"}, 202),
    ("u-omar01", "u-omar01", {"id": "lkc-dev001"}, 202),
    ("u-omar01", "sa-orders", {"id": "lkc-dev001"}, 403),
    ("u-dana01", "u-dana01", {"id": "lkc-dev001"}, 202),
    ("u-dana01", "u-dana01", {"id": "lkc-prod02"}, 403),
    ("u-reed01", "u-reed01", {"id": "lsrc-dev01"}, 202),
    ("u-disha1", "u-disha1", {"id": "lkc-dev001"}, 403),
    ("u-tess01", "u-tess01", {"id": "lkc-dev001"}, 403),
    ("u-olga01", "u-dana01", {"id": "lkc-dev001"}, 202),
    ("u-olga01", "sa-etl001", None, 202),
]


@pytest.mark.parametrize(("caller", "owner", "resource", "status"), CREATE)
async def test_the_caller_needs_a_role_for_the_key(
    api: httpx.AsyncClient,
    organization: Organization,
    caller: str,
    owner: str,
    resource: dict[str, str] | None,
    status: int,
) -> None:
    sign_in(api, organization, caller)

    assert (await api.post(KEYS, json=ask(owner, resource))).status_code == status


async def test_keys_for_other_users_can_be_switched_off(api: httpx.AsyncClient, faults: Faults) -> None:
    faults.user_keys = "refused"
    answer = await api.post(KEYS, json=ask("u-dana01", {"id": "lkc-dev001"}))

    assert answer.status_code == 403
    assert answer.json()["errors"][0]["code"] == "forbidden_access"
    assert (await api.post(KEYS, json=ask("sa-orders", {"id": "lkc-dev001"}))).status_code == 202


async def test_a_list_holds_what_the_caller_may_see(api: httpx.AsyncClient, organization: Organization) -> None:
    sign_in(api, organization, "u-chiyo1")

    assert set(await names(api, KEYS)) == {"ORDERSPROD000001", "CONFLUENTINTERN1", "SIGNINUCHIYO1"}
    assert await names(api, "/org/v2/environments") == ["env-prod01"]
    assert await names(api, "/cmk/v2/clusters", environment="env-prod01") == ["lkc-prod01"]
    assert (await api.get("/cmk/v2/clusters", params={"environment": "env-dev001"})).status_code == 403
    assert (await api.get(f"{KEYS}/PAYMENTSPROD0001")).status_code == 403
    assert (await api.delete(f"{KEYS}/PAYMENTSPROD0001")).status_code == 403


async def test_an_operator_sees_but_does_not_touch_keys_of_others(
    api: httpx.AsyncClient, organization: Organization
) -> None:
    sign_in(api, organization, "u-omar01")

    assert (await api.get(f"{KEYS}/ORDERSDEV0000001")).status_code == 200
    assert (await api.delete(f"{KEYS}/ORDERSDEV0000001")).status_code == 403


async def test_someone_without_roles_sees_nothing_but_themselves(
    api: httpx.AsyncClient, organization: Organization
) -> None:
    sign_in(api, organization, "u-tess01")

    assert await names(api, "/org/v2/environments") == []
    assert await names(api, "/iam/v2/users") == ["u-tess01"]
    assert await names(api, BINDINGS, crn_pattern=f"{ORG_CRN}/*") == []


# -------------------------------------------------------------------------------------------------------- role bindings


async def test_a_crn_pattern_is_exact_and_a_star_is_what_lies_below(api: httpx.AsyncClient) -> None:
    def roles(body: dict[str, Any]) -> set[str]:
        return {binding["role_name"] for binding in body["data"]}

    at = (await api.get(BINDINGS, params={"crn_pattern": ORG_CRN})).json()
    below = (await api.get(BINDINGS, params={"crn_pattern": f"{ORG_CRN}/environment=env-prod01/*"})).json()
    encoded = f"{ORG_CRN}/environment%3Denv-prod01"
    exact = (await api.get(BINDINGS, params={"crn_pattern": encoded})).json()

    assert roles(at) == {"OrganizationAdmin", "ResourceKeyAdmin"}
    assert roles(below) == {"DeveloperRead", "CloudClusterAdmin", "ResourceOwner"}
    assert roles(exact) == {"EnvironmentAdmin"}


async def test_bindings_are_filtered_by_principal_and_role(api: httpx.AsyncClient) -> None:
    params = {"crn_pattern": f"{ORG_CRN}/*", "principal": "User:u-dana01", "role_name": "DeveloperRead"}
    (binding,) = (await api.get(BINDINGS, params=params)).json()["data"]

    assert binding["crn_pattern"].endswith("/topic=orders")


@pytest.mark.parametrize("params", [{}, {"crn_pattern": ""}, {"crn_pattern": "environment=env-dev001"}])
async def test_the_crn_pattern_is_required(api: httpx.AsyncClient, params: dict[str, str]) -> None:
    answer = await api.get(BINDINGS, params=params)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["source"] == {"parameter": "crn_pattern"}


async def test_a_binding_is_made_once_and_deleted_with_a_body(api: httpx.AsyncClient) -> None:
    wanted = {"principal": "User:sa-orders", "role_name": "Operator", "crn_pattern": ORG_CRN}
    made = await api.post(BINDINGS, json=wanted)
    again = await api.post(BINDINGS, json=wanted)
    deleted = await api.delete(f"{BINDINGS}/{made.json()['id']}")

    assert (made.status_code, again.status_code, deleted.status_code) == (201, 409, 200)
    assert deleted.json() == made.json()
    assert (await api.get(f"{BINDINGS}/{made.json()['id']}")).status_code == 403


async def test_a_lost_role_counts_at_once(api: httpx.AsyncClient, organization: Organization) -> None:
    sign_in(api, organization, "u-olga01")
    (binding,) = (await api.get(BINDINGS, params={"crn_pattern": ORG_CRN, "principal": "User:u-olga01"})).json()["data"]
    await api.delete(f"{BINDINGS}/{binding['id']}")

    assert (await api.post(KEYS, json=ask("sa-orders", None))).status_code == 403


# ------------------------------------------------------------------------------------------- users and service accounts


async def test_two_users_may_share_an_address_but_for_its_case(api: httpx.AsyncClient) -> None:
    users = (await api.get("/iam/v2/users", params={"page_size": "100"})).json()["data"]

    assert [u["id"] for u in users if u["email"].lower() == "tess@acme.example"] == ["u-tess01", "u-tess02"]


async def test_service_accounts_are_found_by_several_exact_names(api: httpx.AsyncClient) -> None:
    params = {"display_name": ["nightly-etl", "orders-service", "payments"]}
    found = (await api.get(ACCOUNTS, params=params)).json()["data"]

    assert [account["id"] for account in found] == ["sa-orders", "sa-etl001"]


async def test_a_service_account_is_made_with_its_owner(api: httpx.AsyncClient, organization: Organization) -> None:
    body = {"display_name": "clicks", "description": "d"}
    made = await api.post(ACCOUNTS, params={"assigned_resource_owner": "u-dana01"}, json=body)
    again = await api.post(ACCOUNTS, json=body)

    assert (made.status_code, again.status_code) == (201, 409)
    assert again.json()["errors"][0]["detail"] == "Service name is already in use"
    sign_in(api, organization, "u-dana01")
    assert (await api.post(KEYS, json=ask(made.json()["id"], {"id": "lkc-dev001"}))).status_code == 202


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/display_name"),
        ({"display_name": "x" * 65}, "/display_name"),
        ({"display_name": "x", "description": "x" * 129}, "/description"),
    ],
)
async def test_a_service_account_needs_a_short_name(api: httpx.AsyncClient, body: dict[str, str], pointer: str) -> None:
    answer = await api.post(ACCOUNTS, json=body)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["source"] == {"pointer": pointer}


async def test_a_service_account_is_edited(api: httpx.AsyncClient) -> None:
    edited = await api.patch(f"{ACCOUNTS}/sa-orders", json={"description": "new"})
    taken = await api.patch(f"{ACCOUNTS}/sa-orders", json={"display_name": "nightly-etl"})

    assert (edited.json()["display_name"], edited.json()["description"]) == ("orders-service", "new")
    assert taken.status_code == 409


async def test_deleting_a_principal_deletes_its_keys_and_roles(
    api: httpx.AsyncClient, organization: Organization
) -> None:
    assert (await api.delete(f"{ACCOUNTS}/sa-orders")).status_code == 204
    assert (await api.delete("/iam/v2/users/u-dana01")).status_code == 204

    assert not {key.owner for key in organization.api_keys.values()} & {"sa-orders", "u-dana01"}
    assert not {held.principal for held in organization.role_bindings.values()} & {"sa-orders", "u-dana01"}
    assert (await api.get(f"{ACCOUNTS}/sa-orders")).status_code == 404


async def test_nobody_is_invited(api: httpx.AsyncClient) -> None:
    assert await names(api, "/iam/v2/invitations", email="nora@acme.example") == []


# ------------------------------------------------------------------------------------------------------------- catalog


async def test_the_organization_is_there(api: httpx.AsyncClient) -> None:
    assert await names(api, "/org/v2/organizations") == [ORGANIZATION]


@pytest.mark.parametrize("path", ["/cmk/v2/clusters", "/srcm/v3/clusters", "/ksqldbcm/v2/clusters"])
async def test_clusters_need_their_environment_even_one_by_one(api: httpx.AsyncClient, path: str) -> None:
    (first, *_) = await names(api, path, environment="env-dev001")

    assert (await api.get(path)).json()["errors"][0]["source"] == {"parameter": "environment"}
    assert (await api.get(f"{path}/{first}")).status_code == 400
    assert (await api.get(f"{path}/{first}", params={"environment": "env-prod01"})).status_code == 403
    assert (await api.get(f"{path}/{first}", params={"environment": "env-dev001"})).json()["id"] == first


async def test_every_answer_has_a_request_id_and_success_the_rate_limit(api: httpx.AsyncClient) -> None:
    fine, missing = await api.get("/org/v2/environments"), await api.get("/no/such/thing")

    assert fine.headers["X-RateLimit-Reset"] == "1"
    assert missing.status_code == 404
    assert missing.json()["errors"][0]["id"] == missing.headers["X-Request-Id"]
    assert (await api.put(KEYS)).status_code == 405


async def test_the_journal_tells_who_did_what(api: httpx.AsyncClient, organization: Organization) -> None:
    await api.get(KEYS, params={"spec.owner": "sa-orders"})

    last = organization.journal[-1]
    assert (last.method, last.path, last.query) == ("GET", KEYS, "spec.owner=sa-orders")
    assert (last.principal, last.status) == ("sa-latchk", 200)


async def test_the_changes_hold_what_happened_to_keys_and_accounts_and_nothing_that_failed(
    api: httpx.AsyncClient, organization: Organization, faults: Faults
) -> None:
    account = (await api.post("/iam/v2/service-accounts", json={"display_name": "new"})).json()["id"]
    await api.patch(f"/iam/v2/service-accounts/{account}", json={"description": "other"})
    spec = {"owner": {"id": account}, "resource": {"id": "lkc-dev001"}}
    key = (await api.post(KEYS, json={"spec": spec})).json()["id"]
    await api.patch(f"{KEYS}/{key}", json={"spec": {"display_name": "other"}})
    faults.failing = "delete"
    await api.delete(f"{KEYS}/{key}")
    assert [each.what for each in organization.changes] == ["account", "account edit", "create", "edit"]
    faults.failing = "delete, after the effect"
    await api.delete(f"{KEYS}/{key}")
    await api.delete(f"/iam/v2/service-accounts/{account}")

    told = [(each.what, each.id) for each in organization.changes]
    assert told[2:] == [("create", key), ("edit", key), ("delete", key), ("account delete", account)]


def test_the_check_value_of_a_secret_is_always_wrong() -> None:
    for secret in (new_secret() for _ in range(200)):
        check = base64.b64encode(zlib.crc32(secret[4:58].encode()).to_bytes(4, "little")).decode().rstrip("=")
        assert len(secret) == 64
        assert check != secret[58:]
