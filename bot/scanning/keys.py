"""Reads the public keys that a secret scanner signs its reports with, in the format that GitHub uses for its own.

    {"public_keys": [{"key_identifier": "…", "key": "-----BEGIN PUBLIC KEY-----…", "is_current": true}, …]}

Anyone can send a report and so cause keys to be read. That happens at most once in `AGAIN` seconds, however many ask.
"""

import asyncio
import base64
import json
import logging
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeAlias

import httpx
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from bot.domain.errors import Unavailable

AGAIN = 60.0
"""The least seconds between two reads, even if the first one failed."""
FRESH = 3600.0
"""Seconds until keys are read again, to notice if one was removed."""
TRUSTED = 86_400.0
"""Seconds for which keys stay valid if they can't be read again. A removed key is valid no longer than this."""
SECONDS = 5.0
MOST_BYTES = 65_536
_LONGEST_SIGNATURE = 200
_LOOPBACK = ("all://localhost", "all://127.0.0.1", "all://[::1]")
"""These never go through a proxy from the environment."""
Keys: TypeAlias = Mapping[str, ec.EllipticCurvePublicKey]
log = logging.getLogger("latchkey.leaks")


class KeysUnreadable(Exception):
    """There are no keys at the address or in the file. The text is one line for operators."""


class SigningKeys:
    """Keys by their identifier. Created by `signing_keys()`."""

    def __init__(self, source: str | Path, http: httpx.AsyncClient, now: Callable[[], float] = time.monotonic) -> None:
        self.problem: str | None = None
        """Why the keys couldn't be read the last time; None if they could."""
        self._source, self._http, self._now = source, http, now
        self._keys: Keys = {}
        self._read_at = self._tried_at = float("-inf")
        self._turn = asyncio.Lock()

    async def has_signed(self, identifier: str, signature: str, body: bytes) -> bool:
        """Whether the key with this name signed exactly this body: ECDSA with P-256 and SHA-256, as DER in base64.

        Raises `Unavailable` if the keys can't be read.
        """
        key = await self._key(identifier)
        try:
            signed = base64.b64decode(signature[:_LONGEST_SIGNATURE], validate=True)
            if key is not None:
                key.verify(signed, body, ec.ECDSA(hashes.SHA256()))
        except (ValueError, InvalidSignature):
            return False
        return key is not None

    async def look(self) -> int:
        """Read the keys now. Returns how many there are. Raises `KeysUnreadable`."""
        self._keys = parsed(await self._content())
        self._read_at = self._now()
        return len(self._keys)

    async def _key(self, identifier: str) -> ec.EllipticCurvePublicKey | None:
        if identifier not in self._keys or self._now() - self._read_at > FRESH:
            async with self._turn:
                await self._refresh()
        if self._now() - self._read_at > TRUSTED:
            raise Unavailable("The public keys of the secret scanner can't be read.")
        return self._keys.get(identifier)

    async def _refresh(self) -> None:
        """Read the keys again, unless it was tried within the last `AGAIN` seconds."""
        if self._now() - self._tried_at < AGAIN:
            return
        self._tried_at = self._now()
        try:
            await self.look()
        except KeysUnreadable as error:
            self.problem = str(error)
            log.warning("couldn't read the public keys of a secret scanner", extra={"why": self.problem})
        else:
            self.problem = None

    async def _content(self) -> bytes:
        try:
            async with asyncio.timeout(SECONDS):
                if isinstance(self._source, Path):
                    return await asyncio.to_thread(_head, self._source)
                return await self._fetched(self._source)
        except TimeoutError:
            raise KeysUnreadable(f"no answer from {self._source} within {SECONDS:g} s") from None
        except (httpx.HTTPError, OSError) as error:
            raise KeysUnreadable(f"{self._source} can't be read ({type(error).__name__})") from None

    async def _fetched(self, url: str) -> bytes:
        body = bytearray()
        async with self._http.stream("GET", url) as response:
            if response.status_code != HTTPStatus.OK:
                raise KeysUnreadable(f"{url} answered {response.status_code}")
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MOST_BYTES:
                    break
        return bytes(body)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MOST_BYTES + 1)


def parsed(content: bytes) -> Keys:
    """The keys in GitHub's format. A key that isn't on P-256 is left out. Raises `KeysUnreadable` if none is left."""
    if len(content) > MOST_BYTES:
        raise KeysUnreadable("the list of public keys is too large")
    try:
        entries: Any = json.loads(content)["public_keys"]
        found = {str(each["key_identifier"]): _on_p256(str(each["key"])) for each in entries}
    except (ValueError, TypeError, KeyError, RecursionError):
        raise KeysUnreadable("the list of public keys can't be read: it needs public_keys, as GitHub's has") from None
    keys = {name: key for name, key in found.items() if key is not None}
    if not keys:
        raise KeysUnreadable("the list of public keys has no ECDSA key on P-256")
    return keys


def _on_p256(pem: str) -> ec.EllipticCurvePublicKey | None:
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        return None
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    return None


@asynccontextmanager
async def signing_keys(source: str, version: str) -> AsyncGenerator[SigningKeys]:
    """Yield the keys at an HTTPS address or in a file. `version` is Latchkey's, for the User-Agent."""
    headers = {"User-Agent": f"latchkey/{version}", "Accept": "application/json"}
    async with httpx.AsyncClient(headers=headers, timeout=SECONDS, mounts=dict.fromkeys(_LOOPBACK)) as http:
        is_address = source.startswith(("https://", "http://"))
        yield SigningKeys(source if is_address else Path(source), http)
