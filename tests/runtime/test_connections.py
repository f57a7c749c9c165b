"""What a start says of the store that it is given."""

import logging
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bot.connections import _checked_redis
from bot.domain.keys import TeamId
from bot.store.keyspace import Keyspace
from bot.store.sealing import new_master_key
from tests.support.play import settings_from


@pytest.mark.parametrize(
    ("slack", "warned"), [("https://slack.com/api/", ["REDIS_URL"]), ("http://127.0.0.1:8090/api/", [])]
)
async def test_an_embedded_store_with_a_real_slack_is_warned_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, slack: str, warned: list[str]
) -> None:
    settings = settings_from(
        {
            "SLACK_API_URL": slack,
            "SLACK_BOT_TOKEN": "xoxb-made-up",
            "SLACK_APP_TOKEN": "xapp-made-up",
            "CONFLUENT_CLOUD_API_KEY": "AAAABBBBCCCCDDDD",
            "CONFLUENT_CLOUD_API_SECRET": "made-up-secret",
            "LATCHKEY_MASTER_KEYS": new_master_key(),
            "LATCHKEY_CHANNEL": "C02ABC",
            "LATCHKEY_DATA_DIR": str(tmp_path / "data"),
            "LATCHKEY_SECRETS_DIR": str(tmp_path),
        }
    )
    caplog.set_level(logging.WARNING, "latchkey")
    async with AsyncExitStack() as stack:
        await _checked_redis(stack, settings, Keyspace(TeamId("T01")))

    said = [each.getMessage() for each in caplog.records if "embedded server is for trying" in each.getMessage()]
    assert [name for name in warned for each in said if name in each] == warned
    assert len(said) == len(warned)
