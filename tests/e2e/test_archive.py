"""Audit lines are archived beside running bots, and nobody notices."""

import json
from pathlib import Path

from bot.store.audit.chain import verify_lines
from tests.cli.test_archive import lines_in
from tests.support.processes import actions, crew, latchkey, take_secret


async def test_lines_are_archived_beside_a_bot_and_a_key_is_made_and_shown_all_the_same(tmp_path: Path) -> None:
    file = tmp_path / "archived.jsonl"
    async with crew(tmp_path) as (it, bots):
        first = await bots.start()
        settings = it.stage.environment()
        await it.ask()
        await it.approve()
        await it.dana.see("Show secret")
        moved = await latchkey("audit", "archive", str(file), "--until", "3", **settings)
        assert moved.code == 0, moved.err
        await bots.start()  # which reads the base, and what follows
        await bots.kill(first)
        await take_secret(it)
        live = await latchkey("audit", "export", **settings)
        keys = it.our_keys()

    lines = [*lines_in(file), *map(json.loads, live.out.splitlines())]
    assert verify_lines(lines) is None
    assert actions(lines).count("key:created") == actions(lines).count("secret:shown") == len(keys) == 1
    assert not [each.log for each in bots.running if "can't be trusted" in each.log.read_text()]
