"""The sandbox's Confluent Cloud, in this process (`api`) and over a real connection (`served`)."""

from collections.abc import AsyncIterator

import httpx
import pytest

from sandbox.confluent import BOT_KEY, Faults, Organization, acme, create_app
from sandbox.serving import serve
from tests.sandbox.confluent_client import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def organization(clock: Clock) -> Organization:
    return acme(clock.now)


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
async def api(organization: Organization, faults: Faults, clock: Clock) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(organization, faults, clock=clock.now)
    auth = (BOT_KEY, organization.secrets_issued[BOT_KEY])
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://confluent", auth=auth) as client:
        yield client


@pytest.fixture
async def served(organization: Organization, faults: Faults, clock: Clock) -> AsyncIterator[httpx.AsyncClient]:
    auth = (BOT_KEY, organization.secrets_issued[BOT_KEY])
    async with (
        serve(create_app(organization, faults, clock=clock.now)) as base_url,
        httpx.AsyncClient(base_url=base_url, auth=auth) as client,
    ):
        yield client
