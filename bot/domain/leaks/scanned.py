"""What a secret scanner reports, in the format of GitHub's partner program: which keys it means, and what to answer.

A token is a secret, so only key IDs, and addresses without a token, leave this module. Pure.
"""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, cast
from urllib.parse import unquote

from bot.domain.keys import KeyId
from bot.domain.leaks.recognize import is_checked, key_ids, shows_secret

MOST_MATCHES = 1000
"""Entries of one report. GitHub says that there may be many."""
LONGEST_TYPE = 200
_ADDRESS = re.compile(r"https?://[^@\s\x00-\x20\x7f-\U0010ffff]{1,500}")
"""What is shown of an address: ASCII without spaces, and no name or password in it."""

Label: TypeAlias = Literal["true_positive", "false_positive"]


class Unreadable(ValueError):
    """A report that isn't one. Quotes nothing of it."""


class TooMany(ValueError):
    """A report with more than `MOST_MATCHES` entries."""


@dataclass(frozen=True, slots=True)
class Spot:
    """One entry: the text that was found, the scanner's name for its form, and where it was found, "" if unknown."""

    token: str = field(repr=False)
    type: str
    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Report:
    """What was read from one report."""

    matches: Sequence[Spot]
    keys: Mapping[KeyId, str]
    """Each key ID in it, with the address where it was found first; "" if none can be shown."""
    alone: Sequence[str]
    """The addresses of Confluent secrets without a key ID next to them, so that no one knows whose they are."""
    ids: Sequence[Sequence[KeyId]]
    """The keys that each match belongs to: those in its token; for a secret alone, those at the same address."""

    def labels(self, exists: Mapping[KeyId, bool]) -> Sequence[Label | None]:
        """The answer for each match; None if it isn't known.

        `exists` says for each ID that was looked up whether there is such a key.
        """
        return [_label(each, ids, exists) for each, ids in zip(self.matches, self.ids, strict=True)]


def read(body: bytes) -> Report:
    """Read a report. Takes up to a second for a large one. Raises `Unreadable` and `TooMany`; neither quotes it."""
    try:
        found: object = json.loads(body)
    except (ValueError, RecursionError):
        raise Unreadable from None
    if not isinstance(found, list):
        raise Unreadable
    entries = cast("list[object]", found)
    if len(entries) > MOST_MATCHES:
        raise TooMany
    matches = [_match(each) for each in entries]
    tokens = {each.token for each in matches if each.token}
    shown = {url: address(url, tokens) for url in {each.url for each in matches}}
    keys, beside = dict[KeyId, str](), dict[str, list[KeyId]]()
    for each in matches:
        for key in key_ids(each.token):
            keys[key] = keys.get(key) or shown[each.url]
            beside.setdefault(each.url, []).append(key)
    ids = [_ids(each, beside) for each in matches]
    alone = [shown[each.url] for each, own in zip(matches, ids, strict=True) if not own and is_checked(each.token)]
    return Report(matches, keys, alone, ids)


def _match(entry: object) -> Spot:
    if not isinstance(entry, dict):
        raise Unreadable
    fields = cast("dict[str, object]", entry)
    token, type_, url = fields.get("token"), fields.get("type"), fields.get("url") or ""
    if not (isinstance(token, str) and isinstance(type_, str) and isinstance(url, str)) or len(type_) > LONGEST_TYPE:
        raise Unreadable
    return Spot(_unicode(token), _unicode(type_), url)


def _unicode(text: str) -> str:
    """The text without lone surrogates, which JSON can contain and an answer can't."""
    return text.encode(errors="replace").decode()


def _ids(match: Spot, beside: Mapping[str, Sequence[KeyId]]) -> Sequence[KeyId]:
    is_secret_alone = match.url and is_checked(match.token)
    return key_ids(match.token) or (beside.get(match.url, ()) if is_secret_alone else ())


def _label(match: Spot, ids: Sequence[KeyId], exists: Mapping[KeyId, bool]) -> Label | None:
    known = [exists.get(key) for key in ids]
    if True in known:
        return "true_positive"
    if None in known or is_checked(match.token):  # a secret of a key that was deleted, or of another organization
        return None
    return "false_positive"


def address(url: str, tokens: Collection[str]) -> str:
    """An address as it may be shown and kept; "" for one that isn't, or that may have a secret in it."""
    plainly = unquote(url)
    is_safe = _ADDRESS.fullmatch(url) and not shows_secret(plainly) and not any(each in plainly for each in tokens)
    return url if is_safe else ""
