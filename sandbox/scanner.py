"""A secret scanner that reports as GitHub does: signed with ECDSA, with published public keys."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import httpx
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PATH = "/leaks/github"
FOUND_AT = "https://github.com/octocat/Hello-World/blob/12345600b9cbe38a219f39a9941c9319b600c002/foo/bar.txt"
"""The URL in GitHub's own example."""


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True, slots=True)
class Scanner:
    """A scanner with its own key."""

    key: ec.EllipticCurvePrivateKey = field(default_factory=_new_key, repr=False)

    @property
    def identifier(self) -> str:
        """The name of its key."""
        return hashlib.sha256(self._pem().encode()).hexdigest()

    def published(self) -> bytes:
        """Its public keys, in GitHub's format."""
        keys = [{"key_identifier": self.identifier, "key": self._pem(), "is_current": True}]
        return json.dumps({"public_keys": keys}).encode()

    def headers(self, body: bytes) -> dict[str, str]:
        """The headers for this body."""
        signature = base64.b64encode(self.key.sign(body, ec.ECDSA(hashes.SHA256()))).decode()
        return {"Github-Public-Key-Identifier": self.identifier, "Github-Public-Key-Signature": signature}

    async def report(self, url: str, *entries: Mapping[str, str]) -> httpx.Response:
        """Send a report to the bot at this address. Returns its response."""
        body = json.dumps(entries).encode()
        headers = {"Content-Type": "application/json", **self.headers(body)}
        async with httpx.AsyncClient(trust_env=False) as client:
            return await client.post(f"{url}{PATH}", content=body, headers=headers)

    def _pem(self) -> str:
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def entry(token: str, url: str = FOUND_AT) -> Mapping[str, str]:
    """One entry of a report."""
    return {"token": token, "type": "confluent_cloud_api_key", "url": url, "source": "content"}


def told(answers: Sequence[Mapping[str, str]]) -> Sequence[str]:
    """The labels in an answer, in order."""
    return [each["label"] for each in answers]
