"""Sealing: only Latchkey can read what it stores, and only at the place where it put it.

    sealed = 0x01 | key id (8 bytes) | nonce (12 bytes) | AES-256-GCM ciphertext and tag

The associated data are the header, the purpose, the Redis key and the revision. So a body that is copied to another
record, or to another revision, doesn't open. Every purpose has its own subkey (HKDF-SHA256).
"""

import base64
import hmac
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bot import trouble
from bot.domain.errors import ASK_ADMINISTRATOR, Tampered

MASTER_KEY_BYTES = 32
_PREFIX = "lk1_"
_MASTER_KEY = re.compile(rf"{_PREFIX}[A-Za-z0-9_-]{{43}}")
_VERSION = b"\x01"
_KEY_ID_BYTES = 8
_NONCE_BYTES = 12
_HEADER_BYTES = len(_VERSION) + _KEY_ID_BYTES + _NONCE_BYTES


class Purpose(StrEnum):
    """What a subkey is for. Never rename one: what it sealed wouldn't open again."""

    REQUEST = "request"
    SECRET = "secret"  # noqa: S105 -- a name, not a secret
    CLICK = "click"
    DRAFT = "draft"
    POST = "post"
    CACHE = "cache"
    KEEP = "keep"
    DIGEST = "digest"
    REFUSAL = "refusal"
    AUDIT_HEAD = "audit-head"
    AUDIT_LINE = "audit-line"
    """For the MAC of a line, which is part of an export."""
    AUDIT_BODY = "audit-body"
    """For a line as stored."""
    AUDIT_BASE = "audit-base"


@dataclass(frozen=True, slots=True)
class SealContext:
    """The place that a body is sealed to: its Redis key, and its revision, attempt or field there."""

    purpose: Purpose
    key: str
    revision: int | str = 0

    def bound(self, header: bytes) -> bytes:
        """The associated data. Each part has its length before it, so no two places give the same bytes."""
        parts = (header, self.purpose.encode(), self.key.encode(), str(self.revision).encode())
        return b"".join(len(part).to_bytes(4) + part for part in parts)


class Sealer:
    """Seals with the first master key, opens with all. Raises ValueError unless each key is 32 bytes."""

    def __init__(self, master_keys: Sequence[bytes]) -> None:
        if not master_keys or any(len(key) != MASTER_KEY_BYTES for key in master_keys):
            raise ValueError(f"at least one master key of {MASTER_KEY_BYTES} bytes is needed")
        self._masters = {_derive(key, "key-id", _KEY_ID_BYTES): key for key in master_keys}
        self._first = next(iter(self._masters))

    @property
    def key_ids(self) -> tuple[bytes, ...]:
        """IDs of the master keys, which sealed bodies name; the one that seals is first."""
        return tuple(self._masters)

    def is_newest(self, sealed: bytes) -> bool:
        """Whether the key that seals now sealed this."""
        return sealed.startswith(_VERSION + self._first)

    @staticmethod
    def is_sealed(value: bytes) -> bool:
        """Whether this looks like something that a master key sealed, no matter which one."""
        return value.startswith(_VERSION)

    def seal(self, plain: bytes, place: SealContext) -> bytes:
        """Encrypt a body for one place."""
        nonce = os.urandom(_NONCE_BYTES)
        header = _VERSION + self._first + nonce
        return header + self._cipher(self._first, place.purpose).encrypt(nonce, plain, place.bound(header))

    def open(self, sealed: bytes, place: SealContext) -> bytes:
        """Decrypt a body.

        Raises `Tampered` if it wasn't sealed for this place, or if its master key isn't configured.
        """
        header, ciphertext = sealed[:_HEADER_BYTES], sealed[_HEADER_BYTES:]
        key_id = header[len(_VERSION) : len(_VERSION) + _KEY_ID_BYTES]
        if len(header) < _HEADER_BYTES or not header.startswith(_VERSION):
            raise not_ours(place, "is not a sealed body")
        if key_id not in self._masters:
            raise not_ours(place, "was sealed with a master key that is not configured")
        try:
            return self._cipher(key_id, place.purpose).decrypt(header[-_NONCE_BYTES:], ciphertext, place.bound(header))
        except InvalidTag:
            raise not_ours(place, "does not open") from None

    def mac(self, data: bytes) -> str:
        """The HMAC-SHA256 of an audit line's hash, with the ID of its key: `KEY-ID.MAC`, both in hexadecimal."""
        return self._mac(self._first, data)

    def mac_is_ours(self, data: bytes, mac: str) -> bool | None:
        """Whether one of our keys made this MAC; None if it names a key that isn't configured."""
        try:
            key_id = bytes.fromhex(mac.partition(".")[0])
        except ValueError:
            return False
        if key_id not in self._masters:
            return None
        return hmac.compare_digest(self._mac(key_id, data).encode(), mac.encode())

    def _mac(self, key_id: bytes, data: bytes) -> str:
        subkey = _subkey(self._masters[key_id], Purpose.AUDIT_LINE)
        return f"{key_id.hex()}.{hmac.digest(subkey, data, 'sha256').hex()}"

    def _cipher(self, key_id: bytes, purpose: Purpose) -> AESGCM:
        return AESGCM(_subkey(self._masters[key_id], purpose))


def not_ours(place: SealContext, why: str) -> Tampered:
    """Log, and return the error to raise for, a body that can't be trusted. Names the place, never the content."""
    trouble.log.error("stored data can't be trusted", extra={"why": f"{place.purpose}: it {why}"})
    return Tampered(
        "Latchkey can't trust what its store holds, so nothing was done.",
        advice=ASK_ADMINISTRATOR,
        log=f"{place.key} (revision {place.revision}) {why}",
    )


def new_master_key() -> str:
    """A new master key, as `latchkey keygen` prints it: `lk1_` and 32 random bytes in base64url."""
    return _PREFIX + base64.urlsafe_b64encode(os.urandom(MASTER_KEY_BYTES)).decode().rstrip("=")


def parse_master_keys(text: str) -> list[bytes]:
    """Parse comma-separated master keys; the one that seals is first.

    Raises ValueError, which says which key is malformed and never quotes it.
    """
    keys = [key.strip() for key in text.split(",")]
    for position, key in enumerate(keys, start=1):
        if not _MASTER_KEY.fullmatch(key):
            raise ValueError(f"master key {position} of {len(keys)} isn't one that `latchkey keygen` prints")
    if len(set(keys)) < len(keys):
        raise ValueError("the same master key is given twice")
    return [base64.urlsafe_b64decode(key.removeprefix(_PREFIX) + "=") for key in keys]


@lru_cache(maxsize=256)
def _subkey(master: bytes, purpose: Purpose) -> bytes:
    return _derive(master, purpose, MASTER_KEY_BYTES)


def _derive(master: bytes, info: str, length: int) -> bytes:
    return HKDF(SHA256(), length, salt=None, info=b"latchkey/1/" + info.encode()).derive(master)
