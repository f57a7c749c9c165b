"""Public keys of a secret scanner: what is taken for a signature, and how often anyone can have keys read."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bot.domain.errors import Unavailable
from bot.scanning import GITHUB
from bot.scanning.keys import AGAIN, FRESH, MOST_BYTES, TRUSTED, KeysUnreadable, SigningKeys, parsed, signing_keys
from sandbox.scanner import Scanner

BODY = b'[{"token":"x","type":"t","url":""}]'
GITHUBS_KEY = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE9MJJHnMfn2+H4xL4YaPDA4RpJqUq
kCmRCBnYERxZanmcpzQSXs1X/AljlKkbJ8qpVIW4clayyef9gWhFbNHWAA==
-----END PUBLIC KEY-----"""
GITHUBS_BODY = b'[{"token":"some_token","type":"some_type","url":"some_url"}]'
GITHUBS_SIGNATURE = "MEUCIQDKZokqnCjrRtw0tni+2Ltvl/uiMJ1EGumEsp1BsNr32AIgQY1YXD2nlj+XNfGK4rBfkMJ1JDOQcYXxa2sY8FNkrKc="


class Publisher:
    """Where keys are published; a test sets what it answers."""

    def __init__(self, content: bytes) -> None:
        self.content, self.status, self.asked, self.error = content, 200, 0, False
        self.now = 1000.0

    async def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        await asyncio.sleep(0)
        if self.error:
            raise httpx.ConnectError("refused", request=request)
        return httpx.Response(self.status, content=self.content)

    def keys(self) -> SigningKeys:
        http = httpx.AsyncClient(transport=httpx.MockTransport(self.answer))
        return SigningKeys(GITHUB, http, lambda: self.now)


async def signed(keys: SigningKeys, scanner: Scanner, body: bytes = BODY, **instead: str) -> bool:
    headers = scanner.headers(BODY)
    identifier = instead.get("identifier", headers["Github-Public-Key-Identifier"])
    return await keys.has_signed(identifier, instead.get("signature", headers["Github-Public-Key-Signature"]), body)


async def test_the_sample_that_github_published_has_its_signature() -> None:
    published = {"public_keys": [{"key_identifier": "90a4", "key": GITHUBS_KEY, "is_current": False}]}
    keys = Publisher(json.dumps(published).encode()).keys()

    assert await keys.has_signed("90a4", GITHUBS_SIGNATURE, GITHUBS_BODY)
    assert not await keys.has_signed("90a4", GITHUBS_SIGNATURE, GITHUBS_BODY + b"\n")


async def test_the_body_as_it_came_has_to_be_signed_by_the_key_that_is_named() -> None:
    scanner, other = Scanner(), Scanner()
    keys = Publisher(scanner.published()).keys()

    assert await signed(keys, scanner)
    assert not await signed(keys, scanner, BODY + b" ")
    assert not await signed(keys, scanner, b"")
    assert not await signed(keys, other, identifier=scanner.identifier)
    assert not await signed(keys, other)


@pytest.mark.parametrize(
    "signature", ["", "=", "x", "\u00e9", "AAAA", "A" * 1_000_000, base64.b64encode(b"x" * 70).decode()]
)
async def test_what_is_no_signature_is_none(signature: str) -> None:
    scanner = Scanner()

    assert not await signed(Publisher(scanner.published()).keys(), scanner, signature=signature)


async def test_a_signature_can_be_written_in_two_ways_so_only_the_body_tells_reports_apart() -> None:
    scanner = Scanner()
    first = scanner.headers(BODY)["Github-Public-Key-Signature"]
    r, s = decode_dss_signature(base64.b64decode(first))
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    second = base64.b64encode(encode_dss_signature(r, order - s)).decode()

    assert second != first
    assert await signed(Publisher(scanner.published()).keys(), scanner, signature=second)


async def test_however_many_ask_with_whatever_name_keys_are_read_once_a_minute() -> None:
    scanner = Scanner()
    at = Publisher(scanner.published())
    keys = at.keys()
    await asyncio.gather(*(signed(keys, scanner, identifier=f"unknown {number}") for number in range(50)))
    assert await signed(keys, scanner)
    assert at.asked == 1

    at.now += AGAIN - 1
    assert not await signed(keys, scanner, identifier="unknown")
    assert at.asked == 1
    at.now += 1
    assert not await signed(keys, scanner, identifier="unknown")
    assert at.asked == 2


async def test_a_new_key_counts_within_a_minute_and_a_withdrawn_one_for_an_hour() -> None:
    old, new = Scanner(), Scanner()
    at = Publisher(old.published())
    keys = at.keys()
    assert await signed(keys, old)

    at.content = new.published()
    at.now += FRESH - 1
    assert await signed(keys, old)
    assert await signed(keys, new)
    assert not await signed(keys, old)


async def test_keys_that_cannot_be_read_again_count_for_a_day_and_the_reason_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scanner = Scanner()
    at = Publisher(scanner.published())
    keys = at.keys()
    assert await signed(keys, scanner)
    at.error = True
    at.now += FRESH + 1
    assert await signed(keys, scanner)
    assert keys.problem == f"{GITHUB} can't be read (ConnectError)"

    at.now += TRUSTED
    with pytest.raises(Unavailable):
        await signed(keys, scanner)
    at.error = False
    at.now += AGAIN
    assert await signed(keys, scanner)
    assert not keys.problem
    assert [each.message for each in caplog.records].count("couldn't read the public keys of a secret scanner") == 2


def of(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"public_keys": list(keys)}).encode()


def pem(key: Any) -> str:
    text: str = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return text


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff", b"[]", b"{}", b"[" * 100_000, of(), of({"key_identifier": "a"}), b'{"public_keys": [1]}',
     of({"key_identifier": "a", "key": "nonsense"}), b'{"public_keys": 1}',
     of({"key_identifier": "a", "key": pem(ec.generate_private_key(ec.SECP384R1()))}),
     of({"key_identifier": "a", "key": pem(rsa.generate_private_key(65537, 2048))}),
     b'{"public_keys": []}' + b" " * MOST_BYTES],
)  # fmt: skip
def test_a_list_without_a_key_on_p256_is_unreadable(content: bytes) -> None:
    with pytest.raises(KeysUnreadable):
        parsed(content)


@pytest.mark.parametrize("status", [301, 403, 404, 500])
async def test_an_address_that_does_not_answer_with_keys_is_named(status: int) -> None:
    at = Publisher(Scanner().published())
    at.status = status
    with pytest.raises(KeysUnreadable, match=f"answered {status}"):
        await at.keys().look()


async def test_keys_can_stand_in_a_file(tmp_path: Path) -> None:
    scanner, file = Scanner(), tmp_path / "keys.json"
    file.write_bytes(scanner.published())
    async with signing_keys(str(file), "1.2.3") as keys:
        assert await keys.look() == 1
        assert await signed(keys, scanner)
        file.unlink()
        with pytest.raises(KeysUnreadable, match="FileNotFoundError"):
            await keys.look()
