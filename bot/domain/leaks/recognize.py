"""How ids of keys and secrets are told in a text that people wrote; a secret is never kept. Pure."""

import re

from bot.domain.keys import KeyId

_ID = re.compile(r"(?<![A-Za-z0-9+_-])[A-Z0-9]{16}(?![A-Za-z0-9+_-])")
_SECRET = re.compile(r"cflt[A-Za-z0-9+/]{60}")
_LONG = re.compile(r"[A-Za-z0-9+/_=-]{32,}")
"""Longer than any id: a secret of an older form, a token of another system, or a part of either."""


def key_ids(text: str) -> tuple[KeyId, ...]:
    """What has the shape of a key's id in a text, each once, in order; most of it may be nothing of the kind."""
    return tuple(dict.fromkeys(KeyId(each) for each in _ID.findall(text)))


def has_secret(text: str) -> bool:
    """Whether a text may hold a secret, in whole or in part: then it is not to be kept, logged or repeated."""
    return _SECRET.search(text) is not None or _LONG.search(text) is not None
