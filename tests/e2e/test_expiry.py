"""A key with a lifetime, where Confluent honors, ignores or refuses an end of its own."""

from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest

from tests.e2e.test_keys_view import LIMITED, page
from tests.support.play import play


@pytest.mark.parametrize("answer", ["honored", "ignored", "refused"])
async def test_a_key_with_a_lifetime_whatever_confluent_does_with_its_end(
    tmp_path: Path, answer: Literal["honored", "ignored", "refused"]
) -> None:
    async with play(tmp_path, policy=LIMITED) as it:
        it.stage.faults.expires_at = answer
        await it.ask()
        await it.approve()
        key = await it.key_is_there()
        await it.dana.click("Show secret")
        await it.dana.see("API secret:")

        made = it.stage.organization.api_keys[key]
        if answer == "honored":
            assert made.expires_at is not None
            assert timedelta(days=59) < made.expires_at - made.created_at < timedelta(days=61)
        else:
            assert made.expires_at is None
        assert len(await it.audit("key:create-refused")) == (1 if answer == "refused" else 0)

        await it.dana.command(f"/apikey show {key}")
        await page(it.dana, title="API key", says="Latchkey deletes it then.")

        # Confluent ends it first after all.
        made.expires_at = made.created_at + timedelta(days=20)
        await it.dana.close()
        await it.dana.command(f"/apikey show {key}")
        await page(it.dana, title="API key", says="Confluent Cloud ends it then, and nobody can change that.")
        assert "key:extend" not in str(it.dana.front())
