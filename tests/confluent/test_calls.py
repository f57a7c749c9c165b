import asyncio

import httpx
import pytest

from bot.confluent import client as client_module
from bot.confluent.calls import CALLS, ENDPOINTS, OTHER, OUTCOMES, endpoint_of, outcome_of
from bot.confluent.client import Client
from bot.confluent.failures import Lost
from bot.confluent.wire import Environment
from bot.domain.errors import LatchkeyError
from bot.domain.keys import Secret
from tests.confluent.fake import ENDPOINT, OWN_KEY


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("/iam/v2/api-keys", "iam/v2/api-keys"),
        ("/iam/v2/api-keys/ABCDEFGH12345678", "iam/v2/api-keys"),
        ("/cmk/v2/clusters/lkc-dev001", "cmk/v2/clusters"),
        ("/iam/v2/api-keys-of-somebody", OTHER),
        ("/iam", OTHER),
        ("", OTHER),
    ],
)
def test_a_call_counts_by_its_collection_and_never_by_an_id(path: str, endpoint: str) -> None:
    assert endpoint_of(path) == endpoint


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (httpx.Response(200), "ok"),
        (httpx.Response(202), "ok"),
        (httpx.Response(404), "refused"),
        (httpx.Response(403, json={"errors": [{"status": "403"}]}), "refused"),
        (httpx.Response(403, json={"error": {"code": 403, "message": "forbidden"}}), "unauthorized"),
        (httpx.Response(401), "unauthorized"),
        (httpx.Response(429), "rate_limited"),
        (httpx.Response(500), "error"),
        (httpx.Response(307), "error"),
        (Lost("ReadTimeout", sent=True), "no_answer"),
    ],
)
def test_every_answer_has_an_outcome(answer: httpx.Response | Lost, outcome: str) -> None:
    assert outcome_of(answer) == outcome
    assert outcome in OUTCOMES


def test_what_latchkey_changes_can_be_read_too() -> None:
    assert {endpoint for _, endpoint in CALLS} == set(ENDPOINTS)
    assert {("POST", "iam/v2/api-keys"), ("DELETE", "iam/v2/service-accounts")} <= set(CALLS)
    assert {method for method, endpoint in CALLS if endpoint == "iam/v2/role-bindings"} == {"GET", "POST", "DELETE"}


async def test_each_attempt_is_told_also_the_one_that_our_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, str, str]] = []
    answers = [httpx.Response(503), httpx.Response(200, json={"id": "env-1"})]

    async def answer(_: httpx.Request) -> httpx.Response:
        if not answers:
            await asyncio.Event().wait()
        return answers.pop(0)

    def answered(method: str, endpoint: str, outcome: str, seconds: float) -> None:
        assert seconds >= 0
        told.append((method, endpoint, outcome))

    monkeypatch.setattr(client_module, "POST_SECONDS", 0.01)
    transport = httpx.MockTransport(answer)
    async with Client(ENDPOINT, OWN_KEY, Secret("x"), version="0", transport=transport, answered=answered) as client:
        await client.get("/org/v2/environments/env-1", Environment)
        with pytest.raises(LatchkeyError):
            await client.post("/iam/v2/api-keys", {}, Environment)

    assert told == [
        ("GET", "org/v2/environments", "error"),
        ("GET", "org/v2/environments", "ok"),
        ("POST", "iam/v2/api-keys", "no_answer"),
    ]
