"""Translates responses, and missing ones, into the domain's errors.

No error here is chained to one of httpx or pydantic: those hold requests, responses and inputs, and so credentials.
"""

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Literal, NamedTuple, TypeAlias

import httpx
from pydantic import BeforeValidator, Field, ValidationError

from bot.confluent.wire import Number, Text, Wire
from bot.domain.errors import (
    ASK_ADMINISTRATOR,
    CloudRefused,
    KeyRefused,
    LatchkeyError,
    Throttled,
    Unavailable,
    Unknown,
)

Method: TypeAlias = Literal["GET", "POST", "PATCH", "DELETE"]

_WORDS_LENGTH = 500
_REFERENCE_LENGTH = 100
_UNPACKED_BYTES = 100_000
_GZIP = b"\x1f\x8b"
_SECRET = re.compile(r"[A-Za-z0-9+/]{64,}")
_DEFAULT_WAIT_SECONDS = 30.0
_LONGEST_WAIT_SECONDS = 3600.0

_NOTHING = "Nothing changed."


class _Said(NamedTuple):
    """What to tell people about a call that had no answer or was rate-limited."""

    lost: str
    again: str
    throttled: str
    """This may follow an attempt whose answer was lost."""


_READ = _Said(_NOTHING, "Try again in a minute.", _NOTHING)
_SAID: Mapping[Method, _Said] = {
    "GET": _READ,
    "POST": _READ,
    "PATCH": _Said("It may have been changed anyway; changing it again is safe.", "", "Changing it again is safe."),
    "DELETE": _Said("It may have been deleted anyway; deleting it again is safe.", "", "Deleting it again is safe."),
}
_OWN_KEY_REFUSED = "Confluent Cloud rejects Latchkey's own key, or its address (an IP filter)."
"""One text for both: only the wording of the gateway's 403 differs, and decisions never depend on wording."""
_LOST = "No clear answer from Confluent Cloud."
_ERROR = "Confluent Cloud reported an error."


@dataclass(frozen=True, slots=True)
class Lost:
    """There is no readable response. `sent` is whether the request may have reached Confluent."""

    why: str
    sent: bool


Outcome: TypeAlias = httpx.Response | Lost


class ErrorEntry(Wire):
    """One entry of the documented list of errors. Its `status` may differ from the response's."""

    status: Text = ""
    code: Text = ""
    title: Text = ""
    detail: Text = ""
    resolution: Text = ""


class GatewayError(Wire):
    """The gateway's `error` object, whose `code` is a number; also the format described since 2026."""

    code: Number = None
    message: Text = ""


def _entries(value: object) -> object:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []  # pyright: ignore[reportUnknownVariableType]


def _gateway_error(value: object) -> object:
    return value if isinstance(value, dict) else {"message": value}  # pyright: ignore[reportUnknownVariableType]


_LAST_STATUS = 599
"""Up to here, an `error_code` only repeats the status."""


def _number(value: object) -> str:
    return str(value) if isinstance(value, int) and value > _LAST_STATUS else ""


class Failure(Wire):
    """All formats of error bodies that Confluent is known to send."""

    errors: Annotated[tuple[ErrorEntry, ...], BeforeValidator(_entries)] = ()
    message: Text = ""
    error: Annotated[GatewayError, BeforeValidator(_gateway_error)] = GatewayError()
    request_id: Annotated[Text, Field(alias="requestId")] = ""
    error_code: Annotated[str, BeforeValidator(_number)] = ""
    """A data plane's own code, such as 50321 of ksqlDB."""

    @property
    def reason(self) -> str:
        """The error's code, such as `quota_exceeded`; "" if there is none."""
        return self.errors[0].code if self.errors else ""

    @property
    def words(self) -> str:
        """The text for people; "" if the body has none."""
        first = self.errors[0] if self.errors else ErrorEntry()
        told = f"{first.detail or first.title} {first.resolution}".strip()
        return told or self.message or self.error.message


def translated(method: Method, path: str, outcome: Outcome) -> LatchkeyError:
    """The error for an unsuccessful outcome. The first line that fits applies.

    any         401, or 403 about the key that we sign with   KeyRefused, for operators
    any         429                                           Throttled
    any         other 4xx                                     CloudRefused
    POST        5xx, or no readable answer once sent          Unknown
    any         the rest                                      Unavailable
    """
    log = f"{method} {path}: {describe(outcome)}"
    if isinstance(outcome, Lost):
        return _no_answer(method, log, sent=outcome.sent)
    status = outcome.status_code
    if refuses_our_key(outcome):
        return KeyRefused(_OWN_KEY_REFUSED, changed=_NOTHING, advice=ASK_ADMINISTRATOR, log=log)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return _throttled(method, outcome, log)
    if outcome.is_client_error:
        return CloudRefused(
            status=status, detail=words(outcome), reference=reference(outcome), reason=_failure(outcome).reason
        )
    # A redirect was not followed, so nothing happened behind it.
    return _no_answer(method, log, sent=not outcome.is_redirect, is_error=outcome.is_server_error)


def may_have_effect(outcome: Outcome) -> bool:
    """Whether Confluent may have carried out the request although it didn't confirm it."""
    return outcome.sent if isinstance(outcome, Lost) else outcome.is_server_error


def refuses_our_key(response: httpx.Response) -> bool:
    """Whether Confluent rejects the key that we use, or our address."""
    status = response.status_code
    return status == HTTPStatus.UNAUTHORIZED or (status == HTTPStatus.FORBIDDEN and _is_about_our_key(response))


def trouble_of(outcome: Outcome) -> str | None:
    """What an outcome shows to be wrong with Confluent or our key, as a sentence for operators; None if nothing."""
    if isinstance(outcome, httpx.Response) and outcome.is_success:
        return None
    error = translated("GET", "", outcome)
    if isinstance(error, CloudRefused):
        return None
    did = "rejected Latchkey's own key, or its address" if isinstance(error, KeyRefused) else "didn't answer properly"
    return f"Confluent Cloud {did} the last time: {describe(outcome)}"


def words(response: httpx.Response) -> str:
    """Confluent's text about a refusal, on one line of at most 500 characters; the status if it has none."""
    return _clean(_failure(response).words, _WORDS_LENGTH) or _status_line(response.status_code)


def own_code(response: httpx.Response) -> str:
    """The data plane's own error code, such as 50321 of ksqlDB; "" if there is none."""
    return _failure(response).error_code


def coded_words(response: httpx.Response) -> str:
    """`words` followed by `own_code`, if there is one: some refusals differ only by that."""
    code = own_code(response)
    return f"{words(response)} ({code})" if code else words(response)


def reference(response: httpx.Response) -> str:
    """The request ID that Confluent's support asks for; "" if there is none."""
    return _clean(response.headers.get("X-Request-Id") or _failure(response).request_id, _REFERENCE_LENGTH)


def describe(outcome: Outcome) -> str:
    """An outcome in a few words for operators, without any part of a body."""
    if isinstance(outcome, Lost):
        return outcome.why
    request_id = _clean(outcome.headers.get("X-Request-Id", ""), _REFERENCE_LENGTH)
    return f"{outcome.status_code} (X-Request-Id {request_id or 'none'})"


def asked_to_wait(response: httpx.Response) -> float | None:
    """The seconds that Confluent asks us to wait, at most an hour; None if it doesn't say.

    Confluent's `X-RateLimit-Reset` also counts from now, unlike other APIs', and successful responses have it, too.
    """
    names = ["Retry-After"]
    if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        names.append("X-RateLimit-Reset")
    for name in names:
        seconds = response.headers.get(name, "").strip()
        if seconds.isascii() and seconds.isdecimal():
            return min(float(seconds), _LONGEST_WAIT_SECONDS)
    return None


def _no_answer(method: Method, log: str, *, sent: bool, is_error: bool = False) -> LatchkeyError:
    """The error for a call without a clear answer. `is_error`: there was a 5xx, so it may have been carried out."""
    if method == "POST" and sent:
        happened = _ERROR if is_error else _LOST
        return Unknown(happened, changed="The key may or may not exist; Latchkey is checking.", log=log)
    what = "reported an error" if is_error else "couldn't be reached" if method == "POST" else "didn't answer"
    return Unavailable(f"Confluent Cloud {what}.", changed=_SAID[method].lost, again=_SAID[method].again, log=log)


def _throttled(method: Method, response: httpx.Response, log: str) -> Throttled:
    asked = asked_to_wait(response)
    wait = max(1.0, _DEFAULT_WAIT_SECONDS if asked is None else asked)
    seconds = "1 second" if round(wait) == 1 else f"{wait:.0f} seconds"
    return Throttled(
        "Confluent Cloud is rate-limiting requests.",
        wait=timedelta(seconds=wait),
        changed=_SAID[method].throttled,
        again=f"Try again in {seconds}.",
        log=log,
    )


def _is_about_our_key(response: httpx.Response) -> bool:
    """Whether a 403 came from the gateway, which checks only keys, or contains the error of a 401.

    Behind the gateway, a 403 means no permission, or something deleted; those bodies have the documented list of
    errors.
    """
    failure = _failure(response)
    if failure.errors:
        return failure.errors[0].status == str(HTTPStatus.UNAUTHORIZED.value)
    return failure.error.code == HTTPStatus.FORBIDDEN


def _failure(response: httpx.Response) -> Failure:
    try:
        return Failure.model_validate_json(_unpacked(response.content))
    except ValidationError:  # empty, or a page of HTML
        return Failure()


def _unpacked(body: bytes) -> bytes:
    """The body, unpacked if Confluent compressed it without saying so."""
    if not body.startswith(_GZIP):
        return body
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(body, _UNPACKED_BYTES)
    except zlib.error:
        return b""


def _clean(text: str, length: int) -> str:
    """Foreign text on one line, shortened, and without anything that may be a secret."""
    printable = "".join(character if character.isprintable() else " " for character in _SECRET.sub("[removed]", text))
    return " ".join(printable.split())[:length]


def _status_line(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
