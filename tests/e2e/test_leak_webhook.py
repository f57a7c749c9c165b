"""A secret scanner reports a key over HTTP, as GitHub would."""

import json
from pathlib import Path

import httpx
import pytest

from bot.server import BODY_LIMIT
from sandbox.cast import APPROVALS_CHANNEL
from sandbox.scanner import FOUND_AT, PATH, Scanner, entry, told
from sandbox.scenarios import LEAKED
from sandbox.serving import free_port
from sandbox.slack.blocks import plain_words
from sandbox.slack.faults import EVERY
from tests.support.play import Play, play
from tests.support.processes import LEASE, crew, readiness
from tests.support.walks import UNMARKED

REPORTED = "A secret scanner reported this API key as leaked"


def messages(it: Play) -> list[str]:
    """What the approvals channel reads of leaked keys."""
    blocks = [each.get("blocks") or [] for each in it.erin.messages(APPROVALS_CHANNEL)]
    texts = ["\n".join(plain_words(each)).translate(UNMARKED) for each in blocks]
    return [each for each in texts if REPORTED in each]


async def test_a_report_of_a_scanner_is_told_with_where_the_key_was_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = "cflt" + "marker0secret" * 4 + "54" + "wrong0"
    async with play(tmp_path, mode="http") as it:
        scanner, url = it.stage.scanner, it.stage.bot_url
        first = await scanner.report(url, entry(f"{LEAKED}:{secret}"), entry("NOTAKEYATALL0001"))
        assert (first.status_code, told(first.json())) == (200, ["true_positive", "false_positive"])
        await it.erin.wait_for(lambda: messages(it), "the message in the channel")

        assert FOUND_AT in messages(it)[0]
        again = await scanner.report(url, entry(f"{LEAKED}:{secret}"), entry("NOTAKEYATALL0001"))
        assert (again.status_code, again.json()) == (200, first.json())
        async with httpx.AsyncClient(trust_env=False) as http:
            metrics = (await http.get(f"{url}/metrics")).text
        sent = str(it.stage.slack.workspace.outgoing)
        await it.erin.click("Delete now", in_channel=APPROVALS_CHANNEL)
        await it.erin.see("A secret scanner reported this API key as leaked")

    assert 'latchkey_leak_webhook_reports_total{outcome="taken"} 1.0' in metrics
    assert 'latchkey_leak_webhook_reports_total{outcome="repeated"} 1.0' in metrics
    assert len(messages(it)) == 1
    assert secret not in f"{first.text}{sent}{capsys.readouterr().out}"


async def test_strangers_have_nothing_done(tmp_path: Path) -> None:
    async with play(tmp_path, mode="http") as it:
        url, stranger = it.stage.bot_url, Scanner()
        assert (await stranger.report(url, entry(LEAKED))).status_code == 401
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
            body = json.dumps([entry(LEAKED)]).encode()
            signed = it.stage.scanner.headers(body)
            for content, headers in ((body, {}), (body + b" ", signed), (b"{", stranger.headers(b"{"))):
                assert (await http.post(PATH, content=content, headers=headers)).status_code == 401
            large = b" " * (BODY_LIMIT + 1)
            assert (await http.post(PATH, content=large, headers=it.stage.scanner.headers(large))).status_code == 413
            assert (await http.get(PATH)).status_code == 405

        assert messages(it) == []
        assert LEAKED in it.stage.organization.api_keys


async def test_socket_mode_takes_no_reports(tmp_path: Path) -> None:
    async with crew(tmp_path) as (it, bots):
        port = free_port()
        await bots.start(PORT=str(port))
        await readiness(port, lambda answer: answer.is_success)
        assert (await it.stage.scanner.report(f"http://127.0.0.1:{port}", entry(LEAKED))).status_code == 404


async def test_killed_between_the_answer_and_the_message_another_process_tells_people(tmp_path: Path) -> None:
    async with crew(tmp_path) as (it, bots):
        settings = {**it.stage.environment(mode="http"), "PORT": str(free_port())}
        victim = await bots.start(**settings)
        faults = it.stage.slack.faults
        faults.failing, faults.method = EVERY, "chat.postMessage"
        answer = await it.stage.scanner.report(it.stage.bot_url, entry(LEAKED))
        assert (answer.status_code, told(answer.json())) == (200, ["true_positive"])
        await bots.kill(victim)
        assert messages(it) == []
        faults.reset()

        await bots.start(**settings)
        it.advance(seconds=LEASE)
        await it.until(lambda: messages(it), "the message in the channel", step=1)

        assert len(messages(it)) == 1
