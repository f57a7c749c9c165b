"""Domain values to JSON and back: what is inside the sealed bodies.

A body that does not parse, or has fields that this version does not know, raises `Newer`: it opens, so a Latchkey wrote
it, and to write it back would lose what is in those fields. No error quotes what it read. Secrets stay out of the types
here: the one place that has to keep one, a click's response_url, writes it beside the click.
"""

import re
from dataclasses import dataclass, replace
from types import GenericAlias
from typing import Annotated, Any, Generic, TypeAlias, TypeVar

from pydantic import ConfigDict, Field, PlainSerializer, PlainValidator, TypeAdapter, ValidationError

from bot.domain.audit import Event
from bot.domain.errors import Newer
from bot.domain.keys import Secret
from bot.domain.requests import Request
from bot.domain.review import Attestation
from bot.services.commands import Click, Draft
from bot.services.ports.store import Reviewed, ReviewPass
from bot.services.surfaces import Surface
from bot.store.sealing import SealContext, Sealer

T = TypeVar("T")
# `Secret` is arbitrary to pydantic: it passes where it is None and cannot be serialised where it is not.
_CONFIG = ConfigDict(hide_input_in_errors=True, arbitrary_types_allowed=True)
_STRICT = _CONFIG | ConfigDict(extra="forbid")
FORMAT = 2
"""What the records of requests are like; one more with each change of their fields. Each record carries it."""
_REVISION_DIGITS = 18
_FORMAT = re.compile(rb'\{"format":([0-9]{1,9}),')

ClickRecord: TypeAlias = tuple[Click, str | None]
"""A click without its response_url, and the response_url."""
DraftRecord: TypeAlias = tuple[str, Draft]
"""The id of the person who fills the form in, and the form."""


@dataclass(frozen=True)
class PostRecord:
    """A message, its surface by name."""

    surface: Annotated[Surface, PlainValidator(Surface.parse), PlainSerializer(str)]
    channel: str
    ts: str
    digest: str
    broken: str = ""
    link: str = ""
    by: str = ""
    text: str = ""


class Codec(Generic[T]):
    """Sealed JSON of one type."""

    def __init__(self, adapter: TypeAdapter[T]) -> None:
        self._adapter = adapter

    def seal(self, sealer: Sealer, value: T, place: SealContext) -> bytes:
        """Write a value down for one place."""
        return sealer.seal(self._adapter.dump_json(value), place)

    def open(self, sealer: Sealer, sealed: bytes, place: SealContext) -> T:
        """Read it back. Raises `Tampered` when it does not open there, `Newer` when it is not of this type."""
        return self._read(sealer.open(sealed, place), place)

    def _read(self, plain: bytes, place: SealContext) -> T:
        try:
            return self._adapter.validate_json(plain)
        except ValidationError:
            raise newer(place, "isn't what this version of Latchkey writes") from None


def revision(stored: bytes | None) -> int | None:
    """The revision of a record, which stands in the clear; None where no number that Latchkey writes stands."""
    return int(stored) if stored and stored.isdigit() and len(stored) <= _REVISION_DIGITS else None


class Formatted(Codec[T]):
    """Sealed JSON objects that carry their format. One without it is of format 1."""

    def seal(self, sealer: Sealer, value: T, place: SealContext) -> bytes:
        """Write a value down for one place."""
        return sealer.seal(b'{"format":%d,%b' % (FORMAT, self._adapter.dump_json(value)[1:]), place)

    def _read(self, plain: bytes, place: SealContext) -> T:
        found = _FORMAT.match(plain)
        if found and int(found[1]) > FORMAT:
            raise newer(place, f"has format {int(found[1])}; this version of Latchkey knows {FORMAT}")
        return super()._read(b"{" + plain[found.end() :] if found else plain, place)


def newer(place: SealContext, why: str) -> Newer:
    """The error for a body that another version has written: it names the place, and never the content."""
    return Newer(
        "A newer version of Latchkey wrote this, and this one doesn't know all of it, so nothing was done.",
        advice="Ask your Latchkey administrator to finish the upgrade.",
        log=f"{place.key} (revision {place.revision}) {why}",
    )


REQUEST_JSON: TypeAdapter[Request] = TypeAdapter(Annotated[Request, Field(discriminator="kind")], config=_STRICT)
REQUEST = Formatted(REQUEST_JSON)
CLICK: Codec[ClickRecord] = Codec(TypeAdapter(ClickRecord, config=_STRICT))
DRAFT: Codec[DraftRecord] = Codec(TypeAdapter(DraftRecord, config=_STRICT))
POST: Codec[tuple[PostRecord]] = Codec(TypeAdapter(tuple[PostRecord], config=_CONFIG))
REFUSAL: Codec[tuple[Event]] = Codec(TypeAdapter(tuple[Event], config=_CONFIG))
KEEP: Codec[tuple[Attestation]] = Codec(TypeAdapter(tuple[Attestation], config=_CONFIG))
DIGEST: Codec[tuple[Reviewed]] = Codec(TypeAdapter(tuple[Reviewed], config=_CONFIG))
PASS: Codec[tuple[ReviewPass]] = Codec(TypeAdapter(tuple[ReviewPass], config=_CONFIG))
# Building one takes milliseconds; the types are those that the code names, so there are few.
_COPIES: dict[object, Codec[tuple[str, str, Any]]] = {}


def copy_of(kind: object) -> Codec[tuple[str, str, Any]]:
    """The codec of a cached copy: when it was put, until when it holds (ISO 8601), and a value of this type."""
    if kind not in _COPIES:
        record: Any = GenericAlias(tuple, (str, str, kind))
        _COPIES[kind] = Codec(TypeAdapter(record, config=_CONFIG))
    return _COPIES[kind]


def without_url(click: Click) -> ClickRecord:
    """Take the response_url out of a click, to write it down."""
    url = click.reply.response_url
    return replace(click, reply=replace(click.reply, response_url=None)), url.reveal() if url else None


def with_url(record: ClickRecord) -> Click:
    """Put the response_url back."""
    click, url = record
    return click if url is None else replace(click, reply=replace(click.reply, response_url=Secret(url)))
