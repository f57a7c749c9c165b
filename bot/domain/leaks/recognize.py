"""Recognizes ids of keys, and secrets, in texts that people wrote. A secret is never kept. Pure."""

import base64
import re
import zlib

from bot.domain.keys import KeyId

_ID = re.compile(r"(?<![A-Za-z0-9+_-])[A-Z0-9]{16}(?![A-Za-z0-9+_-])")
_SECRET = re.compile(r"cflt[A-Za-z0-9+/]{60}")
_LONG = re.compile(r"[A-Za-z0-9+/_=-]{32,}")
"""Longer than any id: a secret of an older form, a token of another system, or a part of either."""


def key_ids(text: str) -> tuple[KeyId, ...]:
    """Everything in a text that has the shape of a key's id, each once, in order. Most of it may be something else."""
    return tuple(dict.fromkeys(KeyId(each) for each in _ID.findall(text)))


def has_secret(text: str) -> bool:
    """Whether a text may contain a secret, whole or in part: then it must not be kept, logged or repeated."""
    return _SECRET.search(text) is not None or _LONG.search(text) is not None


def shows_secret(text: str) -> bool:
    """Whether a text contains a whole secret of Confluent's present form."""
    return _SECRET.search(text) is not None


def is_checked(text: str) -> bool:
    """Whether one of the secrets in a text is certainly one: it ends with its own checksum, as Confluent's do."""
    return any(_sum(each[4:58]) == each[58:] for each in _SECRET.findall(text))


def _sum(middle: str) -> str:
    """Base64 of the little-endian CRC-32, without padding: six characters."""
    return base64.b64encode(zlib.crc32(middle.encode()).to_bytes(4, "little")).decode().rstrip("=")
