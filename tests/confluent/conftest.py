from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import stamina

from bot.confluent.client import Client
from bot.confluent.cloud import ConfluentCloud
from bot.domain.keys import Secret
from tests.confluent.fake import ENDPOINT, OWN_KEY, OWN_SECRET, FakeConfluent


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    """Retries as in production, without the pauses."""
    with stamina.set_testing(testing=True, attempts=100, cap=True):
        yield


@pytest.fixture
def fake() -> FakeConfluent:
    return FakeConfluent()


@pytest.fixture
async def client(fake: FakeConfluent) -> AsyncIterator[Client]:
    transport = httpx.MockTransport(fake)
    async with Client(ENDPOINT, OWN_KEY, Secret(OWN_SECRET), version="1.2.3", transport=transport) as client:
        yield client


@pytest.fixture
def cloud(client: Client) -> ConfluentCloud:
    return ConfluentCloud(client)
