"""R4: the product where nothing but the proxy of the environment leads out, to hosts that speak TLS."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sandbox.stage import Stage
from tests.support.forward_proxy import ForwardProxy, forward_proxy
from tests.support.processes import PRODUCT, crew, has_read, latchkey, take_secret
from tests.support.tls import tls_front

SLACK, CONFLUENT = "slack.test", "confluent.test"


@asynccontextmanager
async def walled(here: Stage) -> AsyncGenerator[tuple[ForwardProxy, Mapping[str, str]]]:
    """The proxy, and the settings of a bot that has only this way to Slack and to Confluent."""
    ports = {SLACK: urlsplit(here.slack_url).port or 0, CONFLUENT: urlsplit(here.confluent_url).port or 0}
    async with tls_front(here.folder, ports) as front, forward_proxy(front.port) as proxy:
        here.slack.workspace.base_url = f"https://{SLACK}"
        yield (
            proxy,
            {
                "SLACK_API_URL": f"https://{SLACK}/api/",
                "CONFLUENT_CLOUD_ENDPOINT": f"https://{CONFLUENT}",
                "SSL_CERT_FILE": str(front.trust),
            },
        )


@pytest.mark.parametrize("written", ["http://{}", "{}"], ids=["as a URL", "without a scheme"])
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "ALL_PROXY"])
async def test_the_whole_job_goes_through_the_proxy(tmp_path: Path, name: str, written: str) -> None:
    async with crew(tmp_path) as (it, bots), walled(it.stage) as (proxy, settings):
        environment = {**settings, name: written.format(urlsplit(proxy.url).netloc)}
        bot = await bots.start(program=PRODUCT, **environment)
        await has_read(bot)
        await it.ask()
        await it.approve()
        await it.dana.see("is ready.")
        await take_secret(it)
        await it.dana.see("You viewed the secret for key")

        log = bot.log.read_text()
        assert '"level": "warning"' not in log, log
        assert await bot.stop() == 0
        assert set(proxy.asked) == {f"CONNECT {SLACK}:443", f"CONNECT {CONFLUENT}:443"}
        well = await latchkey("doctor", **it.stage.environment() | environment)
        assert "answers to clicks: ok" in well.out
        assert "Confluent Cloud: ok" in well.out


async def test_no_proxy_is_heeded_on_all_ways(tmp_path: Path) -> None:
    async with crew(tmp_path) as (it, _), walled(it.stage) as (proxy, settings):
        environment = {**it.stage.environment(), **settings, "HTTPS_PROXY": proxy.url, "NO_PROXY": "slack.test"}
        ill = await latchkey("doctor", **environment)
        assert ill.code == 1
        assert "Slack didn't answer" in ill.out
        assert set(proxy.asked) == {f"CONNECT {CONFLUENT}:443"}

        proxy.asked.clear()
        environment["NO_PROXY"] = "confluent.test"
        ill = await latchkey("doctor", **environment)
        assert "/org/v2/organizations: ConnectError" in ill.out
        assert set(proxy.asked) == {f"CONNECT {SLACK}:443"}
