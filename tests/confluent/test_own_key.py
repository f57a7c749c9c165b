"""Latchkey's own key at Confluent: refused, or only unlucky."""

import httpx
import pytest

from bot.confluent.cloud import ConfluentCloud
from bot.connections import look_at_confluent
from bot.settings import StartupError
from tests.confluent.fake import KEYS, OWN_KEY, FakeConfluent, api_key, refusal


@pytest.mark.parametrize("answer", [refusal(401, "errors/401-spec"), refusal(403, "errors/403-gateway-invalid-key")])
async def test_a_key_that_confluent_refuses_ends_the_start(
    cloud: ConfluentCloud, fake: FakeConfluent, answer: httpx.Response
) -> None:
    fake.script.append(answer)

    with pytest.raises(StartupError, match=r"rejects CONFLUENT_CLOUD_API_KEY .* or this address"):
        await look_at_confluent(cloud)


@pytest.mark.parametrize("status", [403, 429, 503])
async def test_another_trouble_does_not_whatever_its_request_is_called(
    cloud: ConfluentCloud, fake: FakeConfluent, status: int
) -> None:
    fake.script += [httpx.Response(status, headers={"X-Request-Id": "5f401ab", "Retry-After": "3600"})] * 4

    await look_at_confluent(cloud)

    assert fake.calls


@pytest.mark.parametrize("status", [403, 404])
async def test_the_list_tells_whose_key_it_is_where_reading_it_by_its_id_is_refused(
    cloud: ConfluentCloud, fake: FakeConfluent, status: int
) -> None:
    fake.collections[KEYS] = [api_key("ANOTHERKEY000000"), api_key(OWN_KEY, "sa-latchkey", None)]
    fake.script.append(refusal(status))

    assert await cloud.own_account() == "sa-latchkey"
    assert fake.calls == [f"GET {KEYS}/{OWN_KEY}", f"GET {KEYS}"]
