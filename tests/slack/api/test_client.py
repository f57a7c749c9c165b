"""What Slack, or a proxy before it, may answer: to posts to a response_url, and to calls of its Web API."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlsplit

import aiohttp
import pytest
from slack_sdk.web.async_client import AsyncWebClient
from starlette.requests import Request
from starlette.responses import Response

from bot.domain.errors import Throttled, Unavailable, Undeliverable
from bot.domain.keys import Secret, SlackUserId
from bot.slack.api.client import Replies, call
from bot.slack.api.people import SlackPeople
from bot.slack.api.workspace import Watch, channel_problem, introduce
from sandbox.serving import serve
from tests.support.fakes import TestClock
from tests.support.listening import app_of

HTML = b"<html><head><title>ok</title></head><body>Access denied by policy</body></html>"


@dataclass(slots=True)
class Answering:
    """A server that answers everything in one way, and remembers what it was asked."""

    status: int = 200
    body: bytes = b"ok"
    content_type: str = "text/html"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    asked: list[str] = field(default_factory=list[str])

    async def __call__(self, request: Request) -> Response:
        self.asked.append(request.url.path)
        headers = {**self.headers, **({"Content-Type": self.content_type} if self.content_type else {})}
        return Response(self.body, self.status, headers)


@dataclass(slots=True)
class There:
    """Our side of the wire."""

    url: str
    replies: Replies

    async def post(self, url: str = "") -> None:
        await self.replies.post(Secret(url or f"{self.url}/hooks/actions/T/1/abc"), {"text": "hello"})


@asynccontextmanager
async def talking(answering: Answering) -> AsyncGenerator[There]:
    async with serve(app_of(answering)) as url, aiohttp.ClientSession() as session:
        client = AsyncWebClient("xoxb-0", base_url=f"{url}/api/", session=session, retry_handlers=[])
        yield There(url, Replies(client, session, frozenset({urlsplit(url).netloc})))


PLAIN, JSON, WEB = "text/plain; charset=utf-8", "application/json; charset=utf-8", "text/html; charset=utf-8"
TAKEN = [
    (200, b"ok", PLAIN),
    (200, b"ok", ""),
    (200, b"OK", PLAIN),
    (200, b"ok\n", PLAIN),
    (200, b"\xef\xbb\xbfok", PLAIN),
    (200, b"", PLAIN),
    (200, b"", ""),
    (200, b'{"ok":true}', JSON),
    (200, b'{"ok": true, "warning": "missing_charset"}', JSON),
    (200, b'{"ok":true}', PLAIN),
    (200, b'"ok"', JSON),
    (200, b"{}", JSON),
    (200, b"null", JSON),
    (200, b"1", JSON),
    (200, b"true", JSON),
    (200, b"Your message is on its way", PLAIN),
    (200, b"\xff\xfe\x00\x80", PLAIN),
    (200, b"accepted", PLAIN),
    (200, b"o" * 3_000_000, PLAIN),
    (201, b"ok", PLAIN),
    (202, b"", PLAIN),
    (204, b"", ""),
]
NOT_TAKEN = [
    (200, HTML, WEB, "response_url_web_page"),
    (200, b"ok", WEB, "response_url_web_page"),
    (200, HTML, PLAIN, "response_url_web_page"),
    (200, b"\n  <!DOCTYPE html><p>ok", "", "response_url_web_page"),
    (200, b"\xef\xbb\xbf<html>ok", JSON, "response_url_web_page"),
    (200, b'{"ok":false,"error":"used_url"}', JSON, "used_url"),
    (200, b'{"ok": false, "error": "expired_url"}', PLAIN, "expired_url"),
    (200, b'{"ok":false}', JSON, "response_url_refused"),
    (200, b'{"ok":false,"error":{"code":1}}', JSON, "response_url_refused"),
    (200, b'{"ok":false,"error":"Something about @dana"}', JSON, "response_url_refused"),
    (200, b'{"error":"no_service"}', JSON, "no_service"),
    (200, b"no_service", PLAIN, "no_service"),
    (200, b"channel_not_found\n", PLAIN, "channel_not_found"),
    (200, b"invalid_payload", PLAIN, "invalid_payload"),
    (200, b'"used_url"', JSON, "used_url"),
    (200, b"posting_to_general_channel_denied", PLAIN, "posting_to_general_channel_denied"),
    (200, b"ratelimited", PLAIN, "ratelimited"),
    (200, b"no_service: x", PLAIN, "no_service"),
    (200, b"used_url\nok", PLAIN, "used_url"),
    (200, b'{"ok":"false"}', JSON, "response_url_refused"),
    (200, b'{"ok":0}', JSON, "response_url_refused"),
    (200, b'{"ok":null}', JSON, "response_url_refused"),
    (200, b'{"message":"Blocked by policy"}', JSON, "response_url_refused"),
    (200, b'{"response":{"ok":false}}', PLAIN, "response_url_refused"),
    (200, b'["no_service"]', JSON, "response_url_refused"),
    (200, b'[{"ok":true}]', JSON, "response_url_refused"),
    (200, b"[]", JSON, "response_url_refused"),
    (200, b"false", JSON, "response_url_refused"),
    (200, b'{"ok":tr', JSON, "response_url_refused"),
    (200, b'{"ok":false', PLAIN, "response_url_refused"),
    (200, b'{"ok":false}{"ok":false}', JSON, "response_url_refused"),
    (200, b"[" * 200_000, JSON, "response_url_refused"),
    (200, b"\x89PNG", "image/png", "response_url_refused"),
    (200, b"ok", "video/mp4", "response_url_refused"),
    (301, b"ok", PLAIN, "response_url_301"),
    (304, b"", "", "response_url_304"),
    (400, b"invalid_payload", PLAIN, "response_url_400"),
    (404, b'{"ok":false,"error":"used_url"}', JSON, "response_url_404"),
    (407, HTML, WEB, "response_url_407"),
    (429, b"ok", PLAIN, "response_url_429"),
    (500, b"ok", PLAIN, "response_url_500"),
    (503, HTML, WEB, "response_url_503"),
]


@pytest.mark.parametrize(("status", "body", "content_type"), TAKEN)
async def test_a_success_that_does_not_say_no_is_a_yes(status: int, body: bytes, content_type: str) -> None:
    async with talking(Answering(status, body, content_type)) as there:
        await there.post()


@pytest.mark.parametrize(("status", "body", "content_type", "reason"), NOT_TAKEN)
async def test_what_is_no_success_or_says_no_is_no_yes(
    status: int, body: bytes, content_type: str, reason: str
) -> None:
    async with talking(Answering(status, body, content_type)) as there:
        with pytest.raises(Undeliverable) as raised:
            await there.post()
    assert raised.value.reason == reason
    assert raised.value.lasting is (status < 500 and status != 429)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_response_url_that_sends_us_elsewhere_is_not_followed(status: int) -> None:
    elsewhere = Answering()
    async with serve(app_of(elsewhere)) as other:
        headers = {"Location": f"{other}/hooks/actions/T/1/abc"}
        async with talking(Answering(status, b"ok", PLAIN, headers)) as there:
            with pytest.raises(Undeliverable):
                await there.post()
    assert elsewhere.asked == []


async def test_nothing_is_sent_to_a_response_url_of_another_host() -> None:
    elsewhere = Answering()
    async with serve(app_of(elsewhere)) as other, talking(Answering()) as there:
        ours = urlsplit(there.url).netloc
        for url in (f"{other}/hooks/1", f"{other}/{ours}", other.replace("//", f"//{ours}@") + "/hooks/1"):
            with pytest.raises(Undeliverable, match="foreign_response_url"):
                await there.post(url)
    assert elsewhere.asked == []


@pytest.mark.parametrize(
    "url", ["http://hooks.slack.test/actions/T/1/abc", "HTTP://hooks.slack.test/x", "ftp://hooks.slack.test/x"]
)
async def test_nothing_is_sent_to_a_response_url_in_the_clear(url: str) -> None:
    async with aiohttp.ClientSession() as session:
        client = AsyncWebClient("xoxb-0", base_url="https://slack.com/api/")
        with pytest.raises(Undeliverable, match="cleartext_response_url"):
            await Replies(client, session, frozenset({"hooks.slack.test"})).post(Secret(url), {"text": "hello"})


async def test_our_own_machine_may_be_answered_in_the_clear() -> None:
    answering = Answering(200, b"ok", PLAIN)
    async with serve(app_of(answering)) as url, aiohttp.ClientSession() as session:
        client = AsyncWebClient("xoxb-0", base_url="https://slack.com/api/")
        await Replies(client, session, frozenset({urlsplit(url).netloc})).post(Secret(f"{url}/a"), {"text": "hello"})
    assert answering.asked == ["/a"]


BROKEN = [
    (200, HTML, WEB),
    (200, HTML, PLAIN),
    (200, b"", JSON),
    (200, b"", PLAIN),
    (200, b"", ""),
    (200, b'{"ok": tr', JSON),
    (200, b"null", JSON),
    (200, b"[]", JSON),
    (200, b'["ok"]', JSON),
    (200, b'"ok"', JSON),
    (200, b"ok", PLAIN),
    (200, b"1", JSON),
    (200, b"{}", JSON),
    (200, b'{"ok": false}', JSON),
    (200, b'{"ok": false, "error": null}', JSON),
    (200, b'{"ok": "\xff\xfe"}', JSON),
    (200, b"[" * 200_000, JSON),
    (200, b'{"ok": true}', "application/gzip"),
    (200, b'{"ok": true}', JSON),  # and nothing of what was asked for
    (403, HTML, WEB),
    (403, b"no", PLAIN),
    (403, b"[]", JSON),
    (403, b"", JSON),
    (404, HTML, WEB),
    (502, HTML, WEB),
    (500, b"null", JSON),
]


@pytest.mark.parametrize(("status", "body", "content_type"), BROKEN)
async def test_what_cannot_be_read_is_a_passing_trouble_and_no_bad_token(
    status: int, body: bytes, content_type: str
) -> None:
    async with talking(Answering(status, body, content_type)) as there:
        with pytest.raises(Unavailable):
            await introduce(there.replies.client)


async def test_a_code_of_slack_is_told_by_its_name() -> None:
    for status in (200, 403):
        async with talking(Answering(status, b'{"ok": false, "error": "token_revoked"}', JSON)) as there:
            with pytest.raises(Undeliverable, match="token_revoked"):
                await introduce(there.replies.client)


PASSING = ["team_added_to_org", "org_login_required", "accesslimited", "team_access_not_granted", "request_timeout"]


@pytest.mark.parametrize("code", PASSING)
async def test_what_passes_without_us_is_no_bad_token(code: str) -> None:
    async def channels() -> str | None:
        return None

    async with talking(Answering(200, b'{"ok": false, "error": "%s"}' % code.encode(), JSON)) as there:
        with pytest.raises(Unavailable, match=code):
            await introduce(there.replies.client)
        watch = Watch(there.replies.client, channels, TestClock())
        await watch.look()
        assert watch.token is None


@pytest.mark.parametrize("code", ["access_denied", "ekm_access_denied", "two_factor_setup_required"])
async def test_a_refusal_that_is_not_about_the_token_asks_nobody_to_install_the_app_again(code: str) -> None:
    async def channels() -> str | None:
        return None

    async with talking(Answering(200, b'{"ok": false, "error": "%s"}' % code.encode(), JSON)) as there:
        watch = Watch(there.replies.client, channels, TestClock())
        await watch.look()
        assert watch.token is not None
        assert code in watch.token
        assert "install" not in watch.token


@pytest.mark.parametrize(("said", "seconds"), [("7", 7), ("0", 0), ("4000", 300), ("", 30), ("soon", 30)])
@pytest.mark.parametrize("content_type", [JSON, WEB, PLAIN])
async def test_slack_says_how_long_to_wait(said: str, seconds: int, content_type: str) -> None:
    headers = {"Retry-After": said}
    body = b'{"ok": false, "error": "ratelimited"}' if content_type == JSON else HTML
    async with talking(Answering(429, body, content_type, headers)) as there:
        with pytest.raises(Throttled) as raised:
            await call(there.replies.client, "users.info", {"user": "U1"}, form=True)
    assert raised.value.wait == timedelta(seconds=seconds)


MEMBER = b'{"ok": true, "channel": {"id": "C1", "name": "keys", %s}}'


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (b'"is_private": true', None),
        (b'"is_member": null', None),
        (b'"is_member": true', None),
        (b'"is_member": false', "invite it with /invite"),
        (b'"is_archived": true', "archived"),
        (b'"is_ext_shared": true', "shared with another"),
    ],
)
async def test_a_channel_of_which_slack_does_not_say_whether_we_are_in_it_will_do(
    said: bytes, problem: str | None
) -> None:
    async with talking(Answering(200, MEMBER % said, JSON)) as there:
        found = await channel_problem(there.replies.client, "C1")
    assert (found is None) if problem is None else (found and problem in found)


async def test_a_revoked_token_is_noticed_and_a_slack_that_cannot_be_read_changes_no_verdict() -> None:
    async def channels() -> str | None:
        return "Latchkey isn't in the channel C1"

    answering = Answering(200, b'{"ok": true}', JSON)
    async with talking(answering) as there:
        watch = Watch(there.replies.client, channels, TestClock())
        await watch.look()
        assert (watch.token, watch.aged(watch.channels)) == (
            None,
            "Latchkey isn't in the channel C1 (checked 0 s ago)",
        )
        answering.body = b'{"ok": false, "error": "token_revoked"}'
        await watch.look()
        assert watch.token is not None
        assert "token_revoked" in watch.token
        answering.body = b"null"
        await watch.look()
        assert watch.token is not None


@pytest.mark.parametrize("code", ["token_revoked", "account_inactive", "invalid_auth"])
async def test_people_are_sent_to_the_administrator_when_the_token_is_refused(code: str) -> None:
    async with talking(Answering(200, b'{"ok": false, "error": "%s"}' % code.encode(), JSON)) as there:
        with pytest.raises(Unavailable) as raised:
            await SlackPeople(there.replies.client).profile(SlackUserId("U1"))
    assert "Ask your Latchkey administrator" in raised.value.tell
    assert "Try again" not in raised.value.tell
