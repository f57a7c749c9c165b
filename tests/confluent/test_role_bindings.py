"""Role bindings with their ids: listed, created, deleted."""

import json

import httpx
import pytest

from bot.confluent.cloud import ConfluentCloud
from bot.domain.errors import CloudRefused, Throttled, Unavailable, Unknown
from bot.domain.keys import Principal
from bot.domain.roles import Binding
from bot.services.ports.cloud import Bound
from tests.confluent.fake import BINDINGS, FakeConfluent, Json, refusal
from tests.support.shared import shared

ONE = Principal("sa-1")
TOPIC = "crn://confluent.cloud/organization=o-1/environment=env-1/cloud-cluster=lkc-1/kafka=lkc-1/topic=orders-*"
WANTED = Binding(ONE, "DeveloperWrite", TOPIC)


def binding(id_: str, principal: str = "User:sa-1", role: str = "DeveloperWrite", crn: str = TOPIC) -> Json:
    return {"id": id_, "principal": principal, "role_name": role, "crn_pattern": crn}


async def test_the_bindings_of_an_account_are_told_with_their_ids_and_once(
    cloud: ConfluentCloud, fake: FakeConfluent
) -> None:
    fake.ignores = {"principal", "crn_pattern"}
    fake.collections[BINDINGS] = [binding("rb-1"), binding("rb-2", "User:sa-2"), binding("rb-3", role="DeveloperRead")]

    found = await cloud.bound(ONE)

    assert found == (Bound("rb-1", WANTED), Bound("rb-3", Binding(ONE, "DeveloperRead", TOPIC)))


async def test_a_new_binding_is_posted_once_as_confluent_documents_it(
    cloud: ConfluentCloud, fake: FakeConfluent
) -> None:
    fake.script.append(httpx.Response(201, json=binding("rb-9")))

    assert await cloud.bind(WANTED) == Bound("rb-9", WANTED)
    assert fake.calls == [f"POST {BINDINGS}"]
    assert json.loads(fake.requests[0].content) == {
        "principal": "User:sa-1",
        "role_name": "DeveloperWrite",
        "crn_pattern": TOPIC,
    }


async def test_the_recorded_answer_to_a_create_is_read(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    recorded = json.loads(shared("recorded/terraform/role_binding/create_role_binding.json").read_text("utf-8"))
    fake.script.append(httpx.Response(201, json=recorded))
    principal = Principal(recorded["principal"].removeprefix("User:"))

    made = await cloud.bind(Binding(principal, recorded["role_name"], recorded["crn_pattern"]))

    assert made.id == recorded["id"]


async def test_a_binding_that_exists_is_refused(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.script.append(refusal(409, "errors/409-service-name"))

    with pytest.raises(CloudRefused) as caught:
        await cloud.bind(WANTED)

    assert caught.value.status == 409


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ReadTimeout(""),
        httpx.Response(500),
        httpx.Response(201, content=b"{"),
        httpx.Response(201, json=binding("rb-9", role="OrganizationAdmin")),
        httpx.Response(201, json=binding("rb-9", crn=TOPIC.removesuffix("orders-*") + "*")),
        httpx.Response(201, json=binding("rb-9", principal="User:sa-2")),
    ],
    ids=str,
)
async def test_a_create_without_a_sure_answer_is_tried_once_and_unknown(
    cloud: ConfluentCloud, fake: FakeConfluent, answer: httpx.Response | Exception
) -> None:
    fake.script.append(answer)

    with pytest.raises(Unknown) as caught:
        await cloud.bind(WANTED)

    assert "The role binding may or may not exist" in caught.value.tell
    assert len(fake.requests) == 1


@pytest.mark.parametrize(("answer", "error"), [(httpx.ConnectError(""), Unavailable), (httpx.Response(429), Throttled)])
async def test_a_create_that_surely_did_nothing_says_so(
    cloud: ConfluentCloud, fake: FakeConfluent, answer: httpx.Response | Exception, error: type[Unavailable]
) -> None:
    fake.script.append(answer)

    with pytest.raises(error) as caught:
        await cloud.bind(WANTED)

    assert "Nothing changed" in caught.value.tell


async def test_a_deletion_answers_with_a_body(cloud: ConfluentCloud, fake: FakeConfluent) -> None:
    fake.script.append(httpx.Response(200, json=binding("rb-1")))

    await cloud.unbind(Bound("rb-1", WANTED))

    assert fake.calls == [f"DELETE {BINDINGS}/rb-1"]


@pytest.mark.parametrize("status", [403, 404])
async def test_a_binding_that_is_gone_counts_as_deleted_and_one_that_is_there_does_not(
    cloud: ConfluentCloud, fake: FakeConfluent, status: int
) -> None:
    fake.script.append(refusal(status))
    await cloud.unbind(Bound("rb-1", WANTED))

    fake.ignores = {"principal", "crn_pattern"}
    fake.collections[BINDINGS] = [binding("rb-2")]
    fake.script.append(refusal(status))
    with pytest.raises(CloudRefused):
        await cloud.unbind(Bound("rb-2", WANTED))
