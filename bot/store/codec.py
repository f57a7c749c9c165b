"""Converts domain values to JSON and back: the content of sealed bodies.

A body that doesn't parse, or has fields that this version doesn't know, raises `Newer`: since it opens, some version of
Latchkey wrote it, and writing it back would lose those fields. Errors never quote the content. The types here hold no
secrets; the only one that must be kept, a click's response_url, is stored beside the click.
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
# pydantic doesn't know `Secret`: the field passes if it's None, and can't be serialized otherwise.
_CONFIG = ConfigDict(hide_input_in_errors=True, arbitrary_types_allowed=True)
_STRICT = _CONFIG | ConfigDict(extra="forbid")
FORMAT = 2
"""The format of request records, which carry it. Add one with each change of their fields."""
_REVISION_DIGITS = 18
_FORMAT = re.compile(rb'\{"format":([0-9]{1,9}),')

ClickRecord: TypeAlias = tuple[Click, str | None]
"""A click without its response_url, and the response_url."""
DraftRecord: TypeAlias = tuple[str, Draft]
"""The ID of the person who is filling in the form, and the form."""


@dataclass(frozen=True)
class PostRecord:
    """A message. The surface is stored by name."""

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
        """Seal a value for one place."""
        return sealer.seal(self._adapter.dump_json(value), place)

    def open(self, sealer: Sealer, sealed: bytes, place: SealContext) -> T:
        """Open a value. Raises `Tampered` if it doesn't open at this place, `Newer` if it isn't of this type."""
        return self._read(sealer.open(sealed, place), place)

    def _read(self, plain: bytes, place: SealContext) -> T:
        try:
            return self._adapter.validate_json(plain)
        except ValidationError:
            raise newer(place, "isn't what this version of Latchkey writes") from None


def revision(stored: bytes | None) -> int | None:
    """A record's revision, which is stored in the clear; None if it isn't a number that Latchkey writes."""
    return int(stored) if stored and stored.isdigit() and len(stored) <= _REVISION_DIGITS else None


class Formatted(Codec[T]):
    """Sealed JSON objects that carry their format. One without it has format 1."""

    def seal(self, sealer: Sealer, value: T, place: SealContext) -> bytes:
        """Seal a value and its format for one place."""
        return sealer.seal(b'{"format":%d,%b' % (FORMAT, self._adapter.dump_json(value)[1:]), place)

    def _read(self, plain: bytes, place: SealContext) -> T:
        found = _FORMAT.match(plain)
        if found and int(found[1]) > FORMAT:
            raise newer(place, f"has format {int(found[1])}; this version of Latchkey knows {FORMAT}")
        return super()._read(b"{" + plain[found.end() :] if found else plain, place)


def newer(place: SealContext, why: str) -> Newer:
    """The error for a body that another version wrote. It names the place, never the content."""
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
    """The codec of a cached copy: when it was stored, when it expires (both ISO 8601), and a value of this type."""
    if kind not in _COPIES:
        record: Any = GenericAlias(tuple, (str, str, kind))
        _COPIES[kind] = Codec(TypeAdapter(record, config=_CONFIG))
    return _COPIES[kind]


def without_url(click: Click) -> ClickRecord:
    """Separate a click from its response_url, so that it can be serialized."""
    url = click.reply.response_url
    return replace(click, reply=replace(click.reply, response_url=None)), url.reveal() if url else None


def with_url(record: ClickRecord) -> Click:
    """Put the response_url back into its click."""
    click, url = record
    return click if url is None else replace(click, reply=replace(click.reply, response_url=Secret(url)))
