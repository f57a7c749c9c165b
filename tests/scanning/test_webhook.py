"""The webhook: what strangers can do with it, which is nothing, and what a scanner is answered."""

import hashlib
import json
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.domain.keys import KeyId
from bot.domain.kinds import Kind
from bot.domain.leaks.scanned import MOST_MATCHES
from bot.scanning import GITHUB
from bot.scanning.keys import SigningKeys
from bot.scanning.webhook import LABELS, NO_ID, OUTCOMES, Webhook, named
from bot.services.agenda import ItemKind
from sandbox.scanner import Scanner, entry
from tests.services.world import World, a_world
from tests.support import build
from tests.support.build import ACCOUNT, HOUR, a_secret_with_its_checksum

KEY, UNKNOWN = KeyId("ABCD1234EFGH5678"), KeyId("WXYZ1234WXYZ1234")


@dataclass(slots=True)
class Post:
    """A webhook over a world with one key, and what it counted."""

    world: World
    scanner: Scanner
    hook: Webhook
    counted: Counter[str] = field(default_factory=Counter[str])

    async def __call__(
        self, *entries: Mapping[str, str], body: bytes | None = None, **headers: str
    ) -> tuple[HTTPStatus, Any]:
        body = json.dumps(entries).encode() if body is None else body
        sent = {name.lower(): value for name, value in (self.scanner.headers(body) | headers).items()}
        return await self.hook(sent, body)

    async def told(self) -> list[str]:
        """Who was told of which leak, once all is carried out."""
        await self.world.work_now()
        return [place.channel for place, _ in self.world.slack.leaks]

    async def clicks(self) -> int:
        """How many reports wait to be carried out."""
        redis = self.world.connections[0]
        names = [str(each) for each in await redis.zrange(self.world.store.keys.agenda, 0, -1)]
        return sum(ItemKind.CLICK in each for each in names)


@asynccontextmanager
async def a_post(tmp_path: Path, source: str = "") -> AsyncGenerator[Post]:
    scanner, file = Scanner(), tmp_path / "keys.json"
    file.write_bytes(scanner.published())
    async with a_world() as world, httpx.AsyncClient() as http:
        world.cloud.add(build.a_key(KEY, marker="", kind=Kind.KAFKA, owner=ACCOUNT.id))
        scans, counted = world.start().services.scans, Counter[str]()
        count = [lambda each: counted.update([each])] * 2
        hook = Webhook(SigningKeys(file, http), scans, source or named(GITHUB), *count)
        yield Post(world, scanner, hook, counted)


def label(token: str, said: str) -> dict[str, str]:
    """What is answered of a token."""
    token_hash = hashlib.sha256(token.encode()).hexdigest()
    return {"token_hash": token_hash, "token_type": "confluent_cloud_api_key", "label": said}


async def test_a_signed_report_of_a_key_is_told_and_answered(tmp_path: Path) -> None:
    token = f"{KEY}:{a_secret_with_its_checksum()}"
    async with a_post(tmp_path) as post:
        assert await post(entry(token)) == (HTTPStatus.OK, [label(token, "true_positive")])
        assert "C01" in await post.told()
        notice = post.world.slack.leaks[0][1]

    assert (notice.leak.by, notice.leak.source) == ("", "GitHub secret scanning")
    assert notice.leak.url.startswith("https://github.com/octocat/")
    assert post.counted == {"taken": 1, "true_positive": 1}


async def test_unknown_keys_and_other_texts_are_false_positives_and_told_to_no_one(tmp_path: Path) -> None:
    async with a_post(tmp_path) as post:
        assert await post(entry(UNKNOWN), entry("nonsense")) == (
            HTTPStatus.OK,
            [label(UNKNOWN, "false_positive"), label("nonsense", "false_positive")],
        )
        assert await post.told() == []


async def test_a_secret_without_its_key_is_answered_nothing_and_said_to_operators(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with a_post(tmp_path) as post:
        assert await post(entry(a_secret_with_its_checksum())) == (HTTPStatus.OK, [])
        assert await post.told() == []

    assert post.counted == {"taken": 1, "none": 1, NO_ID: 1}
    assert [each.message for each in caplog.records] == ["a scanner found an API secret without the ID of its key"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Github-Public-Key-Signature": ""}, HTTPStatus.UNAUTHORIZED),
        ({"Github-Public-Key-Signature": "AAAA"}, HTTPStatus.UNAUTHORIZED),
        ({"Github-Public-Key-Identifier": ""}, HTTPStatus.UNAUTHORIZED),
        ({"Github-Public-Key-Identifier": "unknown"}, HTTPStatus.UNAUTHORIZED),
        ({"Github-Public-Key-Identifier": "x" * 10_000}, HTTPStatus.UNAUTHORIZED),
    ],
)
async def test_what_is_not_signed_is_refused_before_it_is_read(
    tmp_path: Path, headers: dict[str, str], status: HTTPStatus
) -> None:
    async with a_post(tmp_path) as post:
        for body in (json.dumps([entry(KEY)]).encode(), b"{"):
            assert (await post(body=body, **headers))[0] == status
        calls = list(post.world.plan.calls)

    assert calls == [], "a stranger had Latchkey ask the store, Confluent or Slack"
    assert post.counted == {"unsigned": 2}


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b"[1]", b"\xff"])
async def test_garbage_with_a_signature_is_unreadable(tmp_path: Path, body: bytes) -> None:
    async with a_post(tmp_path) as post:
        assert (await post(body=body))[0] == HTTPStatus.BAD_REQUEST
        assert await post.clicks() == 0


async def test_half_a_character_in_an_entry_is_no_reason_to_answer_nothing(tmp_path: Path) -> None:
    """Which JSON can spell: a scanner that reads files in another encoding may."""
    async with a_post(tmp_path) as post:
        status, feedback = await post(entry(f"{KEY} \ud800"))

    assert (status, [each["label"] for each in feedback]) == (HTTPStatus.OK, ["true_positive"])
    assert post.counted == {"taken": 1, "true_positive": 1}


async def test_too_many_entries_are_refused_as_a_whole(tmp_path: Path) -> None:
    async with a_post(tmp_path) as post:
        assert (await post(*[entry(KEY)] * (MOST_MATCHES + 1)))[0] == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        assert await post.clicks() == 0


async def test_two_entries_of_one_key_are_one_report(tmp_path: Path) -> None:
    async with a_post(tmp_path) as post:
        _, answer = await post(entry(KEY), entry(f"{KEY}\n{a_secret_with_its_checksum()}"))
        told = await post.told()

    assert [each["label"] for each in answer] == ["true_positive", "true_positive"]
    assert len(told) == len(set(told))


async def test_while_the_store_is_away_the_scanner_is_asked_to_come_again(tmp_path: Path) -> None:
    async with a_post(tmp_path) as post:
        post.world.redis.connected = False
        assert (await post(entry(KEY)))[0] == HTTPStatus.SERVICE_UNAVAILABLE
        post.world.redis.connected = True
        assert (await post(entry(KEY)))[0] == HTTPStatus.OK
        assert "C01" in await post.told()


async def test_no_secret_of_a_report_goes_anywhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    secret = a_secret_with_its_checksum()
    async with a_post(tmp_path) as post:
        where = f"https://example.com/?q={secret}"
        answers = [await post(entry(secret)), await post(entry(f"{KEY}:{secret}", where), entry("x", f"{where} "))]
        answers.append(await post(body=f'[{{"token": "{secret}"'.encode()))
        await post.world.settle(2 * HOUR)
        redis = post.world.connections[0]
        stored = [await redis.dump(name) for name in await redis.keys("*")]
        told = f"{post.world.slack.leaks}{await post.world.audit()}"

    assert post.world.slack.leaks
    assert secret not in f"{answers}{caplog.text}{stored}{told}"
    assert secret[4:58] not in f"{answers}{caplog.text}{stored}{told}"


async def test_a_report_by_another_scanner_is_not_said_to_be_githubs(tmp_path: Path) -> None:
    async with a_post(tmp_path, named("/etc/keys.json")) as post:
        await post(entry(KEY))
        await post.told()

        assert post.world.slack.leaks[0][1].leak.source == "A secret scanner"


def test_what_is_counted_is_known_from_the_start() -> None:
    assert {"taken", "repeated", "unsigned", "unreadable", "too_many", "unavailable"} == set(OUTCOMES)
    assert set(LABELS) == {"true_positive", "false_positive", "none", NO_ID}
