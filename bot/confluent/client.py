"""The client for Confluent Cloud's API: authentication, paging, retries, and translation of errors.

GET, PATCH and DELETE are retried, POST never is. Logs contain the method, the path, the status and Confluent's request
ID, but no body, header or query.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Self, TypeVar
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import stamina
import structlog
from pydantic import ValidationError

from bot.confluent.calls import endpoint_of, outcome_of
from bot.confluent.failures import (
    Lost,
    Method,
    Outcome,
    asked_to_wait,
    describe,
    may_have_effect,
    translated,
    trouble_of,
)
from bot.confluent.wire import Item, Page, Wire
from bot.domain.errors import CloudRefused
from bot.domain.keys import Secret
from bot.services.agenda import must_hold

WireT = TypeVar("WireT", bound=Wire)
ItemT = TypeVar("ItemT", bound=Item)

PARALLEL_CALLS = 5
"""Confluent limits parallel calls to an unpublished number, and recommends 4 to 5."""
ATTEMPTS = 4
PATIENCE_SECONDS = 12.0
"""Seconds for one GET, PATCH or DELETE with all its attempts, while someone waits."""
POST_SECONDS = 20.0
"""Seconds for a whole POST. The timeouts of httpx are for each read, so a slow trickle would reset them."""
LONGEST_PAUSE_SECONDS = 5.0
"""If Confluent asks for a longer wait than this many seconds, the caller gets an error instead."""
ABSENT = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
"""Confluent uses either status for something deleted, and for something our key isn't allowed to see."""
PAGE_SIZE = 100
MOST_PAGES = 10_000

_TIMEOUT = httpx.Timeout(10, connect=3)
_LOOPBACK = ("all://localhost", "all://127.0.0.1", "all://[::1]")
"""These never go through a proxy from the environment. The same holds for our calls to Slack."""
_REPEATED = {429, 500, 502, 503, 504}
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)

_log = structlog.stdlib.get_logger(__name__)
stamina.instrumentation.set_on_retry_hooks(())  # its own log line names no call; ours does


class Client:
    """Calls the API with one Cloud API key. Use it as an async context manager.

    Every call may raise `Unavailable`, `Throttled` or `CloudRefused`; `post` may also raise `Unknown`.
    """

    def __init__(
        self,
        endpoint: str,
        key: str,
        secret: Secret,
        *,
        version: str,
        transport: httpx.AsyncBaseTransport | None = None,
        answered: Callable[[str, str, str, float], None] = lambda _method, _endpoint, _outcome, _seconds: None,
        attempts: int = ATTEMPTS,
    ) -> None:
        """`endpoint` is the base URL, `version` is Latchkey's, for the User-Agent. `attempts` applies to all but POST.

        `answered` is called for each attempt, with method, collection, outcome (see `calls`) and seconds.
        """
        self.key = key
        self.endpoint = endpoint.rstrip("/")
        self._http = httpx.AsyncClient(
            base_url=endpoint,
            auth=(key, secret.reveal()),
            headers={"User-Agent": f"latchkey/{version}", "Accept": "application/json"},
            timeout=_TIMEOUT,
            follow_redirects=False,
            transport=transport,
            mounts=dict.fromkeys(_LOOPBACK),
        )
        self.trouble: str | None = None
        """What the last response shows to be wrong with Confluent or our key; None if nothing."""
        self._slots = asyncio.Semaphore(PARALLEL_CALLS)
        self._answered = answered
        self._attempts = attempts

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def get(self, path: str, model: type[WireT], filters: Mapping[str, str] | None = None) -> WireT:
        """Read one object."""
        return _value("GET", path, await self._reliably("GET", path, filters), model)

    async def find(
        self, collection: str, id_: str, model: type[ItemT], filters: Mapping[str, str] | None = None
    ) -> ItemT | None:
        """Read one item; None if it doesn't exist. If reading it gives 403 or 404, the list decides.

        Both also mean that our key isn't allowed to see it, and for some callers reading is stricter than listing.
        """
        try:
            return await self.get(item_path(collection, id_), model, filters)
        except CloudRefused as refused:
            if refused.status not in ABSENT:
                raise
        rows = self.list_all(collection, model, filters)
        return {row.id: row async for row in rows}.get(id_)

    async def list_all(
        self, path: str, model: type[ItemT], filters: Mapping[str, str] | None = None, skipped: list[Lost] | None = None
    ) -> AsyncGenerator[ItemT]:
        """Yield every item of a collection once. Confluent pages without a snapshot, so items can appear twice.

        For lists that people see, pass `skipped`: it gets the rows that can't be read. Without it, such a row raises
        `Unavailable`, because a decision may depend on an item being absent.
        """
        seen = set[tuple[str, ...]]()
        async for page in self._pages(path, filters or {}):
            for item in _items(path, page, model, skipped):
                if item.identity not in seen:
                    seen.add(item.identity)
                    yield item

    async def list_page(self, path: str, model: type[ItemT], token: str) -> tuple[Sequence[ItemT], str]:
        """The readable rows of one page, and the token of the next page.

        "" is the first page's token, and follows the last.

        Raises `CloudRefused` (400) for an expired token.
        """
        query = {"page_size": str(PAGE_SIZE), **({"page_token": token} if token else {})}
        page = _value("GET", path, await self._reliably("GET", path, query), Page)
        return _items(path, page, model, []), _next_token(path, page)

    async def post(self, path: str, body: Mapping[str, object], model: type[WireT]) -> WireT:
        """Create something, in one attempt. Raises `Unknown` if it may have been created."""
        outcome = await self._within(POST_SECONDS, partial(self._once, "POST", path, None, body))
        return _value("POST", path, outcome, model)

    async def patch(self, path: str, body: Mapping[str, object], model: type[WireT]) -> WireT:
        """Change something and return its new state. Retried after a lost answer, because repeating it is harmless.

        Confluent ignores fields that it doesn't know, so compare the result with what you sent.
        """
        return _value("PATCH", path, await self._reliably("PATCH", path, None, body), model)

    async def delete(self, path: str) -> None:
        """Delete something.

        Retried after a lost answer; then `CloudRefused.may_be_done` says whether that try may have deleted it.
        """
        tried: list[Outcome] = []
        outcome = await self._within(PATIENCE_SECONDS, partial(self._repeatedly, "DELETE", path, None, None, tried))
        if isinstance(outcome, Lost) or not outcome.is_success:
            error = translated("DELETE", path, outcome)
            if isinstance(error, CloudRefused):
                error.may_be_done = any(map(may_have_effect, tried))
            raise error

    async def _pages(self, path: str, filters: Mapping[str, str]) -> AsyncGenerator[Page]:
        """Yield the pages. Starts over, once, if a page token expires meanwhile."""
        token, tokens, restarted = "", set[str](), False
        for _ in range(MOST_PAGES):
            query = {"page_size": str(PAGE_SIZE), **filters, **({"page_token": token} if token else {})}
            outcome = await self._reliably("GET", path, query)
            if token and isinstance(outcome, httpx.Response) and outcome.status_code == HTTPStatus.BAD_REQUEST:
                if restarted:
                    raise translated("GET", path, Lost("400, the page token expired again", sent=True))
                token, tokens, restarted = "", set[str](), True
                continue
            page = _value("GET", path, outcome, Page)
            yield page
            token = _next_token(path, page)
            if not token or token in tokens:
                return
            tokens.add(token)
        raise translated("GET", path, Lost(f"the list didn't end after {MOST_PAGES} pages", sent=True))

    async def _reliably(
        self, method: Method, path: str, query: Mapping[str, str] | None, body: Mapping[str, object] | None = None
    ) -> Outcome:
        return await self._within(PATIENCE_SECONDS, partial(self._repeatedly, method, path, query, body))

    async def _within(self, seconds: float, work: Callable[[], Awaitable[Outcome]]) -> Outcome:
        """Wait for a slot, and then at most `seconds` for an outcome.

        The slot is kept between attempts: if Confluent asks us to slow down, we shouldn't send something else instead.
        """
        async with self._slots:
            try:
                async with asyncio.timeout(seconds):
                    outcome = await work()
            except TimeoutError:
                outcome = Lost(f"no answer in {seconds:.0f} s", sent=True)
        self.trouble = trouble_of(outcome)
        return outcome

    async def _repeatedly(
        self,
        method: Method,
        path: str,
        query: Mapping[str, str] | None,
        body: Mapping[str, object] | None,
        tried: list[Outcome] | None = None,
    ) -> Outcome:
        """The last outcome of several attempts. All of them are added to `tried`."""
        attempts = stamina.retry_context(
            on=_pause, attempts=self._attempts, timeout=None, wait_initial=0.25, wait_max=4, wait_jitter=1
        )
        try:
            async for attempt in attempts:
                with attempt:
                    outcome = await self._once(method, path, query, body)
                    if tried is not None:
                        tried.append(outcome)
                    _raise_to_repeat(outcome)
                    return outcome
        except _AgainError as last:
            return last.outcome
        raise AssertionError("stamina ends with a value or an error")

    async def _once(
        self, method: Method, path: str, query: Mapping[str, str] | None, body: Mapping[str, object] | None
    ) -> Outcome:
        if method != "GET":
            await must_hold()
        outcome: Outcome = Lost("no answer in time", sent=True)
        begun = time.monotonic()
        try:
            outcome = await self._http.request(method, path, params=query, json=body)
        except httpx.RequestError as error:
            outcome = Lost(type(error).__name__, sent=not isinstance(error, _NEVER_SENT))
        finally:  # also if the whole call times out first
            self._answered(method, endpoint_of(path), outcome_of(outcome), time.monotonic() - begun)
        told = _log.warning if _may_pass(outcome) else _log.debug
        told("confluent.call", method=method, path=path, outcome=describe(outcome))
        return outcome


class _AgainError(Exception):
    """Carries an outcome through the retries."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


def item_path(collection: str, id_: str) -> str:
    """The path of one item. Raises `CloudRefused` (404) for an ID that would give another path."""
    if id_ in {"", ".", ".."}:
        raise CloudRefused(status=HTTPStatus.NOT_FOUND, detail=f"There is no id {id_!r}", reference="")
    return f"{collection}/{quote(id_, safe='')}"


def _may_pass(outcome: Outcome) -> bool:
    return isinstance(outcome, Lost) or outcome.status_code in _REPEATED


def _raise_to_repeat(outcome: Outcome) -> None:
    if _may_pass(outcome):
        raise _AgainError(outcome)


def _pause(error: Exception) -> bool | float:
    """Whether to retry: True, False, or after so many seconds."""
    if not isinstance(error, _AgainError):
        return False
    asked = None if isinstance(error.outcome, Lost) else asked_to_wait(error.outcome)
    if asked is None:
        return True
    return asked if asked <= LONGEST_PAUSE_SECONDS else False


def _items(path: str, page: Page, model: type[ItemT], skipped: list[Lost] | None) -> list[ItemT]:
    """The items of a page. One that can't be read is added to `skipped`; without that, it raises `Unavailable`."""
    items: list[ItemT] = []
    for row in page.data:
        item = _parsed(model, row)
        if not isinstance(item, Lost):
            items.append(item)
        elif skipped is None:
            raise translated("GET", path, item)
        else:
            skipped.append(item)
            _log.warning("confluent.row_skipped", path=path, why=item.why)
    return items


def _next_token(path: str, page: Page) -> str:
    """The token of the next page; "" after the last. Raises `Unavailable` for a link without a token.

    Only the token is used: our credentials must not go to whatever host the link names.
    """
    if not page.metadata.next:
        return ""
    with suppress(ValueError):
        if token := parse_qs(urlsplit(page.metadata.next).query).get("page_token", [""])[0]:
            return token
    raise translated("GET", path, Lost("the link to the next page has no page_token", sent=True))


def _value(method: Method, path: str, outcome: Outcome, model: type[WireT]) -> WireT:
    """The content of a successful response. Raises the error for any other outcome."""
    if isinstance(outcome, httpx.Response) and outcome.is_success:
        parsed = _parsed(model, outcome)
        if not isinstance(parsed, Lost):
            return parsed
        outcome = parsed
    raise translated(method, path, outcome)


def _parsed(model: type[WireT], source: object) -> WireT | Lost:
    """The parsed model, or a list of wrong fields without their values, because a value may be a secret."""
    try:
        if isinstance(source, httpx.Response):
            return model.model_validate_json(source.content)
        return model.model_validate(source)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
    fields = ", ".join(f"{'.'.join(map(str, problem['loc'])) or 'body'} {problem['type']}" for problem in problems[:5])
    return Lost(f"can't read the response: {fields}", sent=True)
