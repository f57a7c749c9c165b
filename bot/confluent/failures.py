"""From what came back, or did not, to the errors of the domain.

Nothing here is chained to an exception of httpx or pydantic: those hold requests, answers and inputs, and with them
credentials.
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

_NOTHING = "Nothing was changed."


class _Said(NamedTuple):
    """What is said of a call without an answer, or one too many."""

    lost: str
    again: str
    throttled: str
    """It may follow an attempt whose answer was lost."""


_READ = _Said(_NOTHING, "Try again in a minute.", _NOTHING)
_SAID: Mapping[Method, _Said] = {
    "GET": _READ,
    "POST": _READ,
    "PATCH": _Said("It may have been changed anyway; changing it again is safe.", "", "Changing it again is safe."),
    "DELETE": _Said("It may have been deleted anyway; deleting it again is safe.", "", "Deleting it again is safe."),
}
_OWN_KEY_REFUSED = "Confluent Cloud rejects Latchkey's own key, or its address (an IP filter)."
"""Nothing but its words, in which nothing is looked for, would tell the gateway's 403 for the one from the other."""
_LOST = "No clear answer from Confluent Cloud."
_ERROR = "Confluent Cloud reported an error."


@dataclass(frozen=True, slots=True)
class Lost:
    """There is no answer that we can read. `sent`: the request may have reached Confluent."""

    why: str
    sent: bool


Outcome: TypeAlias = httpx.Response | Lost


class ErrorEntry(Wire):
    """One entry of the documented error list. Its `status` may differ from that of the answer."""

    status: Text = ""
    code: Text = ""
    title: Text = ""
    detail: Text = ""
    resolution: Text = ""


class GatewayError(Wire):
    """The `error` object of the gateway, whose `code` is a number, and of the form described since 2026."""

    code: Number = None
    message: Text = ""


def _entries(value: object) -> object:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []  # pyright: ignore[reportUnknownVariableType]


def _gateway_error(value: object) -> object:
    return value if isinstance(value, dict) else {"message": value}  # pyright: ignore[reportUnknownVariableType]


_LAST_STATUS = 599
"""An `error_code` that only repeats the status says nothing more."""


def _number(value: object) -> str:
    return str(value) if isinstance(value, int) and value > _LAST_STATUS else ""


class Failure(Wire):
    """Every shape of error body that Confluent is known to send."""

    errors: Annotated[tuple[ErrorEntry, ...], BeforeValidator(_entries)] = ()
    message: Text = ""
    error: Annotated[GatewayError, BeforeValidator(_gateway_error)] = GatewayError()
    request_id: Annotated[Text, Field(alias="requestId")] = ""
    error_code: Annotated[str, BeforeValidator(_number)] = ""
    """A data plane's own code, such as 50321 of ksqlDB."""

    @property
    def reason(self) -> str:
        """The code of the error, such as `quota_exceeded`; "" when there is none."""
        return self.errors[0].code if self.errors else ""

    @property
    def words(self) -> str:
        """What to tell people; "" when the body says nothing."""
        first = self.errors[0] if self.errors else ErrorEntry()
        told = f"{first.detail or first.title} {first.resolution}".strip()
        return told or self.message or self.error.message


def translated(method: Method, path: str, outcome: Outcome) -> LatchkeyError:
    """The error that an outcome other than success means: the first line that fits.

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
    """Whether Confluent may have done what was asked, though it didn't say so."""
    return outcome.sent if isinstance(outcome, Lost) else outcome.is_server_error


def refuses_our_key(response: httpx.Response) -> bool:
    """Whether Confluent refuses the key that we sign with, or our address."""
    status = response.status_code
    return status == HTTPStatus.UNAUTHORIZED or (status == HTTPStatus.FORBIDDEN and _is_about_our_key(response))


def trouble_of(outcome: Outcome) -> str | None:
    """What an outcome says of Confluent or of our key, for operators; None where it says nothing of either."""
    if isinstance(outcome, httpx.Response) and outcome.is_success:
        return None
    error = translated("GET", "", outcome)
    if isinstance(error, CloudRefused):
        return None
    did = "rejected Latchkey's own key, or its address" if isinstance(error, KeyRefused) else "didn't answer properly"
    return f"Confluent Cloud {did} the last time: {describe(outcome)}"


def words(response: httpx.Response) -> str:
    """What Confluent says about a refusal, on one line and at most 500 characters; the status when it says nothing."""
    return _clean(_failure(response).words, _WORDS_LENGTH) or _status_line(response.status_code)


def own_code(response: httpx.Response) -> str:
    """The data plane's own code of the error, such as 50321 of ksqlDB; "" when there is none."""
    return _failure(response).error_code


def coded_words(response: httpx.Response) -> str:
    """`words`, with `own_code` behind them, where there is one: some refusals differ by nothing else."""
    code = own_code(response)
    return f"{words(response)} ({code})" if code else words(response)


def reference(response: httpx.Response) -> str:
    """What Confluent's support asks for; "" when there is none."""
    return _clean(response.headers.get("X-Request-Id") or _failure(response).request_id, _REFERENCE_LENGTH)


def describe(outcome: Outcome) -> str:
    """An outcome in a few words for operators. Holds no part of a body."""
    if isinstance(outcome, Lost):
        return outcome.why
    request_id = _clean(outcome.headers.get("X-Request-Id", ""), _REFERENCE_LENGTH)
    return f"{outcome.status_code} (X-Request-Id {request_id or 'none'})"


def asked_to_wait(response: httpx.Response) -> float | None:
    """Seconds that Confluent asks us to wait, at most an hour; None when it does not say.

    Unlike elsewhere, `X-RateLimit-Reset` is a number of seconds from now too; it stands on successes as well.
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
    """`is_error`: Confluent did answer, with a 5xx, which leaves open what it did before."""
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
    """Whether a 403 came from the gateway, which knows nothing but keys, or carries the error of a 401.

    Behind the gateway, what one may not do and what is gone are 403 too: their bodies list documented errors.
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
    """The body, also where Confluent packs it without saying so."""
    if not body.startswith(_GZIP):
        return body
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(body, _UNPACKED_BYTES)
    except zlib.error:
        return b""


def _clean(text: str, length: int) -> str:
    """Foreign text on one line, cut, and without what may be a secret sent back to us."""
    printable = "".join(character if character.isprintable() else " " for character in _SECRET.sub("[removed]", text))
    return " ".join(printable.split())[:length]


def _status_line(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
