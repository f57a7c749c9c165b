import asyncio
import json
from datetime import timedelta

import httpx
import pytest
from structlog.testing import capture_logs

from bot.confluent import client as client_module
from bot.confluent.client import PARALLEL_CALLS, Client, item_path
from bot.confluent.failures import Lost
from bot.confluent.wire import ApiKey, Environment, Item
from bot.domain.errors import CloudRefused, KeyRefused, LatchkeyError, Throttled, Unavailable, Unknown
from bot.domain.keys import Secret
from tests.confluent.fake import ENDPOINT, OWN_KEY, OWN_SECRET, FakeConfluent, refusal

ENVIRONMENTS = "/org/v2/environments"
ONE = f"{ENVIRONMENTS}/env-1"
ATTEMPTS = client_module.ATTEMPTS


def page(*ids: str, then: str | None = None, **metadata: object) -> httpx.Response:
    return httpx.Response(200, json={"data": [{"id": each} for each in ids], "metadata": {"next": then, **metadata}})


async def ids(client: Client, **filters: str) -> list[str]:
    return [row.id async for row in client.list_all(ENVIRONMENTS, Environment, filters)]


async def call(client: Client, method: str) -> object:
    match method:
        case "GET":
            return await client.get(ONE, Environment)
        case "DELETE":
            await client.delete(ONE)
            return None
        case "PATCH":
            return await client.patch(ONE, {"spec": {}}, Environment)
        case _:
            return await client.post(ENVIRONMENTS, {"spec": {}}, Environment)


# --------------------------------------------------------------------------------------------------------- what we send


async def test_every_call_is_signed_and_says_who_we_are(client: Client, fake: FakeConfluent) -> None:
    fake.script.append(httpx.Response(200, json={"id": "env-1"}))

    await client.get(ONE, Environment)

    [request] = fake.requests
    assert httpx.BasicAuth(OWN_KEY, OWN_SECRET)._auth_header == request.headers["Authorization"]
    assert request.headers["User-Agent"] == "latchkey/1.2.3"


async def test_a_redirect_is_not_followed(client: Client, fake: FakeConfluent) -> None:
    fake.script.append(httpx.Response(307, headers={"Location": "https://evil.example/"}))

    with pytest.raises(Unavailable, match="307"):
        await client.get(ONE, Environment)

    assert len(fake.requests) == 1


async def test_no_more_calls_run_at_a_time_than_confluent_likes(fake: FakeConfluent) -> None:
    running, most, full, go = 0, 0, asyncio.Event(), asyncio.Event()

    async def slow(request: httpx.Request) -> httpx.Response:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == PARALLEL_CALLS:
            full.set()
        await go.wait()
        running -= 1
        return httpx.Response(200, json={"id": "env-1"})

    client = Client(ENDPOINT, OWN_KEY, Secret("x"), version="0", transport=httpx.MockTransport(slow))
    async with client, asyncio.TaskGroup() as group:
        for _ in range(3 * PARALLEL_CALLS):
            group.create_task(client.get(ONE, Environment))
        await full.wait()
        go.set()

    assert most == PARALLEL_CALLS


@pytest.mark.parametrize("odd", ["", ".", ".."])
def test_what_cannot_be_an_id_names_no_other_path(odd: str) -> None:
    with pytest.raises(CloudRefused):
        item_path(ENVIRONMENTS, odd)


def test_an_id_stays_one_segment_of_the_path() -> None:
    assert item_path("/a", "../x?y=1#z") == "/a/..%2Fx%3Fy%3D1%23z"


# --------------------------------------------------------------------------------------------------------------- paging


async def test_a_list_goes_on_with_the_same_filters(client: Client, fake: FakeConfluent) -> None:
    fake.script += [page("a", "b", then=f"{ENDPOINT}/x?page_size=2&page_token=t%2B1"), page("c", then="")]

    assert await ids(client, owner="me") == ["a", "b", "c"]

    first, second = (dict(request.url.params) for request in fake.requests)
    assert first == {"page_size": "100", "owner": "me"}
    assert second == {"page_size": "100", "owner": "me", "page_token": "t+1"}


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/iam/v2/api-keys?page_token=t1",
        "https://api.confluent.test@evil.example/?page_token=t1",
        "//evil.example/?page_token=t1",
        "?page_token=t1",
    ],
)
async def test_credentials_never_go_to_the_host_that_next_names(client: Client, fake: FakeConfluent, link: str) -> None:
    fake.script += [page("a", then=link), page("b")]

    assert await ids(client) == ["a", "b"]

    assert {(request.url.scheme, request.url.host) for request in fake.requests} == {("https", "api.confluent.test")}
    assert fake.calls == [f"GET {ENVIRONMENTS}"] * 2


@pytest.mark.parametrize(
    "last",
    [
        {"data": [{"id": "z"}]},
        {"data": [{"id": "z"}], "metadata": None},
        {"data": [{"id": "z"}], "metadata": {}},
        {"data": [{"id": "z"}], "metadata": {"next": None}},
        {"data": [{"id": "z"}], "metadata": {"next": "", "total_size": 7}},
    ],
)
async def test_every_form_of_a_last_page_ends_the_list(client: Client, fake: FakeConfluent, last: object) -> None:
    fake.script.append(httpx.Response(200, json=last))

    assert await ids(client) == ["z"]


async def test_an_empty_page_is_not_the_end(client: Client, fake: FakeConfluent) -> None:
    fake.script += [page(then="?page_token=1"), httpx.Response(200, json={"data": None, "metadata": {}})]

    assert await ids(client) == []

    assert len(fake.requests) == 2


async def test_an_item_that_shows_twice_is_given_once(client: Client, fake: FakeConfluent) -> None:
    fake.script += [page("a", "b", then="?page_token=1"), page("b", "c")]

    assert await ids(client) == ["a", "b", "c"]


async def test_a_list_that_goes_in_circles_ends(client: Client, fake: FakeConfluent) -> None:
    fake.script += [page("a", then="?page_token=1"), page("b", then="?page_token=2"), page("c", then="?page_token=1")]

    assert await ids(client) == ["a", "b", "c"]


async def test_a_list_without_end_is_given_up(
    client: Client, fake: FakeConfluent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "MOST_PAGES", 3)
    fake.script += [page(then=f"?page_token={number}") for number in range(9)]

    with pytest.raises(Unavailable, match="didn't end"):
        await ids(client)


async def test_an_expired_page_token_begins_the_list_again(client: Client, fake: FakeConfluent) -> None:
    expired = refusal(400, "errors/400-filter")
    fake.script += [page("a", then="?page_token=1"), expired, page("a", then="?page_token=1"), page("b")]

    assert await ids(client) == ["a", "b"]


async def test_a_page_token_that_expires_twice_is_an_error(client: Client, fake: FakeConfluent) -> None:
    first, expired = page("a", then="?page_token=1"), refusal(400, "errors/400-filter")
    fake.script += [first, expired, first, expired]

    with pytest.raises(Unavailable, match="400"):
        await ids(client)


async def test_a_bad_filter_is_no_expired_token(client: Client, fake: FakeConfluent) -> None:
    fake.script.append(refusal(400, "errors/400-filter"))

    with pytest.raises(CloudRefused) as caught:
        await ids(client, owner="nonsense")

    assert caught.value.status == 400
    assert len(fake.requests) == 1


@pytest.mark.parametrize("link", ["https://api.confluent.test/?other=1", "http://[", "nonsense"])
async def test_a_list_that_cannot_go_on_does_not_pass_for_a_short_one(
    client: Client, fake: FakeConfluent, link: str
) -> None:
    fake.script.append(page("a", then=link))

    with pytest.raises(Unavailable, match="page_token"):
        await ids(client)


@pytest.mark.parametrize(
    "body", [{}, {"message": "ok"}, {"data": {}}, [], {"data": [{"name": "no id"}]}, {"data": [7]}]
)
async def test_an_odd_answer_does_not_pass_for_an_empty_list(client: Client, fake: FakeConfluent, body: object) -> None:
    fake.script.append(httpx.Response(200, json=body))

    with pytest.raises(Unavailable, match="can't read the response"):
        await ids(client)


async def test_pages_are_repeated_like_any_read(client: Client, fake: FakeConfluent) -> None:
    fake.script += [page("a", then="?page_token=1"), httpx.Response(503), httpx.ReadTimeout(""), page("b")]

    assert await ids(client) == ["a", "b"]


# -------------------------------------------------------------------------------------------------------------- retries

NEVER_SENT = [httpx.ConnectError(""), httpx.ConnectTimeout(""), httpx.PoolTimeout(""), httpx.ProxyError("")]
SENT = [
    httpx.ReadTimeout(""),
    httpx.ReadError(""),
    httpx.WriteError(""),
    httpx.WriteTimeout(""),
    httpx.RemoteProtocolError(""),
    httpx.DecodingError(""),
]
SERVER = [500, 502, 503, 504]


def outcome_of(what: int | Exception) -> httpx.Response | Exception:
    return what if isinstance(what, Exception) else httpx.Response(what)


def name_of(value: object) -> str | None:
    return type(value).__name__ if isinstance(value, Exception) else None


REPEATED = ("GET", "PATCH", "DELETE")
TABLE: list[tuple[str, int | Exception, int, type[LatchkeyError]]] = [
    *[(method, lost, ATTEMPTS, Unavailable) for method in REPEATED for lost in (*NEVER_SENT, *SENT)],
    *[(method, status, ATTEMPTS, Unavailable) for method in REPEATED for status in SERVER],
    *[(method, 429, ATTEMPTS, Throttled) for method in REPEATED],
    *[(method, 501, 1, Unavailable) for method in REPEATED],
    *[("POST", lost, 1, Unavailable) for lost in NEVER_SENT],
    *[("POST", lost, 1, Unknown) for lost in SENT],
    *[("POST", status, 1, Unknown) for status in (*SERVER, 501)],
    ("POST", 429, 1, Throttled),
    ("POST", 307, 1, Unavailable),
    *[(method, 401, 1, KeyRefused) for method in (*REPEATED, "POST")],
    *[(method, status, 1, CloudRefused) for method in (*REPEATED, "POST") for status in (400, 403, 404, 409, 422)],
]


@pytest.mark.parametrize(("method", "what", "attempts", "error"), TABLE, ids=name_of)
async def test_what_is_repeated_and_what_it_means_in_the_end(
    client: Client, fake: FakeConfluent, method: str, what: int | Exception, attempts: int, error: type[LatchkeyError]
) -> None:
    fake.script += [outcome_of(what)] * 10

    with pytest.raises(error) as caught:
        await call(client, method)

    assert type(caught.value) is error
    assert len(fake.requests) == attempts


@pytest.mark.parametrize("method", REPEATED)
@pytest.mark.parametrize("what", [429, 503, httpx.ReadError(""), httpx.ConnectError("")], ids=str)
async def test_a_passing_trouble_goes_unnoticed(
    client: Client, fake: FakeConfluent, method: str, what: int | Exception
) -> None:
    fake.script += [outcome_of(what), outcome_of(what), httpx.Response(200, json={"id": "env-1"})]

    await call(client, method)

    assert len(fake.requests) == 3


@pytest.mark.parametrize("what", [429, 503, httpx.ConnectError("")], ids=str)
async def test_each_attempt_that_fails_is_one_line_that_names_the_call(
    client: Client, fake: FakeConfluent, what: int | Exception
) -> None:
    fake.script += [outcome_of(what), httpx.Response(200, json={"id": "env-1"})]

    with capture_logs() as lines:
        await call(client, "GET")

    warned = [line for line in lines if line["log_level"] == "warning"]
    assert [(line["event"], line["method"], line["path"]) for line in warned] == [("confluent.call", "GET", ONE)]
    assert warned[0]["outcome"].startswith(name_of(what) or str(what))


async def test_asked_to_wait_long_the_caller_is_told_how_long(client: Client, fake: FakeConfluent) -> None:
    fake.script.append(httpx.Response(429, headers={"Retry-After": "60"}))

    with pytest.raises(Throttled, match="429") as caught:
        await client.get(ONE, Environment)

    assert caught.value.wait == timedelta(seconds=60)
    assert "60 seconds" in caught.value.tell
    assert len(fake.requests) == 1


@pytest.mark.parametrize(
    ("status", "headers", "pause"),
    [
        (429, {"Retry-After": "3"}, 3.0),
        (429, {"Retry-After": "0"}, 0.0),
        (429, {"X-RateLimit-Reset": "2"}, 2.0),
        (429, {"Retry-After": "1", "X-RateLimit-Reset": "50"}, 1.0),
        (503, {"Retry-After": "4"}, 4.0),
        (503, {"X-RateLimit-Reset": "4"}, True),
        (429, {}, True),
        (429, {"Retry-After": "soon"}, True),
        (429, {"Retry-After": "-1"}, True),
        (429, {"Retry-After": "nan"}, True),
        (429, {"Retry-After": "6"}, False),
        (503, {"Retry-After": "9" * 400}, False),
    ],
)
def test_retry_after_is_honoured_up_to_a_limit(status: int, headers: dict[str, str], *, pause: bool | float) -> None:
    again = client_module._AgainError(httpx.Response(status, headers=headers))

    found = client_module._pause(again)

    assert (type(found), found) == (type(pause), pause)


def test_other_errors_are_not_repeated() -> None:
    assert client_module._pause(ValueError()) is False
    assert client_module._pause(client_module._AgainError(Lost("ReadError", sent=True))) is True


@pytest.mark.parametrize(
    ("method", "limit", "error"),
    [
        ("GET", "PATIENCE_SECONDS", Unavailable),
        ("PATCH", "PATIENCE_SECONDS", Unavailable),
        ("DELETE", "PATIENCE_SECONDS", Unavailable),
        ("POST", "POST_SECONDS", Unknown),
    ],
)
async def test_no_call_lasts_for_ever(
    method: str, limit: str, error: type[LatchkeyError], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def trickle(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(client_module, limit, 0.001)
    async with Client(ENDPOINT, OWN_KEY, Secret("x"), version="0", transport=httpx.MockTransport(trickle)) as client:
        with pytest.raises(error, match="no answer in"):
            await call(client, method)


# -------------------------------------------------------------------------------------------------------------- answers


async def test_unknown_fields_and_missing_ones_are_fine(client: Client, fake: FakeConfluent) -> None:
    fake.script.append(
        httpx.Response(200, json={"id": "K", "colour": 7, "metadata": None, "spec": {"owner": None, "display_name": 5}})
    )

    key = await client.get(ONE, ApiKey)

    assert (key.id, key.spec.owner.id, key.spec.display_name, key.metadata.created_at) == ("K", "", "", None)


@pytest.mark.parametrize("created_at", ["yesterday", "2026-03-23T06:49:17", {"at": 1}, "0000-00-00T00:00:00Z"])
async def test_a_time_that_cannot_be_read_is_no_time(client: Client, fake: FakeConfluent, created_at: object) -> None:
    fake.script.append(httpx.Response(200, json={"id": "K", "metadata": {"created_at": created_at}}))

    assert (await client.get(ONE, ApiKey)).metadata.created_at is None


@pytest.mark.parametrize("body", [b"", b"<html>", b"{", b"null", b"[]", b'{"id": ""}', b'{"id": 7}', b"\xff\xfe"])
async def test_a_success_that_cannot_be_read_is_a_lost_answer(client: Client, fake: FakeConfluent, body: bytes) -> None:
    fake.script += [httpx.Response(200, content=body)] * 2

    with pytest.raises(Unavailable, match="can't read the response"):
        await client.get(ONE, Item)
    with pytest.raises(Unknown, match="can't read the response"):
        await client.post(ENVIRONMENTS, {}, Item)


async def test_every_attempt_of_a_patch_sends_the_same(client: Client, fake: FakeConfluent) -> None:
    fake.script += [httpx.ReadTimeout(""), httpx.Response(503), httpx.Response(200, json={"id": "env-1"})]

    await client.patch(ONE, {"spec": {"display_name": "né"}}, Environment)

    assert [json.loads(request.content) for request in fake.requests] == [{"spec": {"display_name": "né"}}] * 3
    assert {request.headers["Content-Type"] for request in fake.requests} == {"application/json"}


async def test_a_patch_whose_answer_cannot_be_read_may_have_happened(client: Client, fake: FakeConfluent) -> None:
    fake.script.append(httpx.Response(200, content=b"<html>"))

    with pytest.raises(Unavailable, match="can't read the response") as caught:
        await client.patch(ONE, {}, Environment)

    assert "Nothing changed" not in caught.value.tell


async def test_too_much_to_do_after_a_lost_change_promises_nothing(client: Client, fake: FakeConfluent) -> None:
    fake.script += [httpx.ReadTimeout(""), *[httpx.Response(429)] * 9]

    with pytest.raises(Throttled) as caught:
        await client.patch(ONE, {}, Environment)

    assert "Nothing changed" not in caught.value.tell


async def test_the_body_of_a_delete_is_not_read(client: Client, fake: FakeConfluent) -> None:
    fake.script += [httpx.Response(204), httpx.Response(200, content=b"<html>")]

    await client.delete(ONE)
    await client.delete(ONE)
