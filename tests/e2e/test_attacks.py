"""What an old app manifest and a flood of requests must not bring about: silence, or a false "nothing"."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from bot.domain.keys import Cluster, RequestId, TeamId
from bot.domain.kinds import Kind
from bot.services.browse.home import LOOKED_AT
from bot.store import Store
from bot.store.connection import connect
from bot.store.sealing import Sealer, parse_master_keys
from sandbox.cast import TEAM
from sandbox.slack import payloads
from sandbox.slack.delivery import Envelope
from sandbox.stage import MASTER_KEY
from tests.support import build
from tests.support.composed import keep
from tests.support.play import Play, play


async def test_a_shortcut_that_nobody_knows_any_more_is_answered(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        slack, user = it.stage.slack, it.dana.user
        ids = {"trigger": slack.views.new_trigger(user), "ts": slack.workspace.next_ts()}
        payload = payloads.global_shortcut(slack.workspace.people[user], "key:forge", **ids)
        await slack.delivery.send(Envelope("interactive", payload), user)

        await it.dana.see("from an older version of Latchkey. Nothing changed.")


async def test_a_flood_of_requests_for_others_is_not_called_nothing(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await _flood(it, LOOKED_AT)

        await it.erin.command("/apikey requests")
        await it.erin.see("but you may be able to approve later ones. See the approvals channel.")

        assert "Nothing to approve." not in str(it.erin.ephemerals)


async def test_nobody_gets_a_key_of_the_account_of_latchkey_itself(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        await it.fill_in()
        await it.dana.fill({"Service account": "latchkey-bot"})
        await it.dana.submit()

        await it.dana.see("This is Latchkey's own account, so you can't request keys for it. Choose another one.")
        assert it.dana.sees("Local tests of the orders flow")
        assert it.our_keys() == []


async def _flood(it: Play, number: int) -> None:
    """So many requests for a cluster in production, which Erin does not administer."""
    production = Cluster(Kind.KAFKA, "lkc-prod01", "orders", "env-prod01", "production")
    async with connect(f"unix://{it.stage.folder / 'data' / 'valkey.sock'}") as redis:
        sealer = Sealer(parse_master_keys(MASTER_KEY))
        store = Store.open(redis, sealer, TeamId(TEAM), it.stage.clock.now)
        for each in range(number):
            ask = build.an_ask(id=RequestId(f"R{each}"), resource=production, asked_at=it.stage.clock.now())
            pending = replace(build.pending(ask=ask), expires_at=ask.asked_at + timedelta(days=1))
            await keep(store, pending)
