"""Takes reports of a secret scanner, in the format of GitHub's partner program.

The order is what keeps strangers out: size, signature over the bytes as they came, and only then what is in them.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TypeAlias

from bot.domain.errors import LatchkeyError, Throttled
from bot.domain.leaks.scanned import Label, Spot, TooMany, Unreadable, read
from bot.scanning import GITHUB
from bot.scanning.keys import SigningKeys
from bot.services.leaks.scans import Scans

OUTCOMES = ("taken", "repeated", "unsigned", "unreadable", "too_many", "unavailable")
NO_ID = "secret_without_id"
LABELS = ("true_positive", "false_positive", "none", NO_ID)
IDENTIFIER, SIGNATURE = "github-public-key-identifier", "github-public-key-signature"
_LONGEST_IDENTIFIER = 200

Answer: TypeAlias = tuple[HTTPStatus, object]
"""An HTTP status, and what becomes the JSON of its body."""


class Webhook:
    """Answers one request at a time or many; keeps nothing."""

    def __init__(
        self,
        keys: SigningKeys,
        scans: Scans,
        source: str,
        counted: Callable[[str], None] = lambda _outcome: None,
        labeled: Callable[[str], None] = lambda _label: None,
    ) -> None:
        """`source` names the scanner to people. `counted` is told one of `OUTCOMES`, `labeled` one of `LABELS` each."""
        self._keys, self._scans, self._source = keys, scans, source
        self._counted, self._labeled = counted, labeled

    async def __call__(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """Take a report. Everything that it does is written down when this returns 200. Never raises on purpose."""
        outcome, answer = await self._answer(headers, body)
        self._counted(outcome)
        return answer

    async def _answer(self, headers: Mapping[str, str], body: bytes) -> tuple[str, Answer]:
        identifier, signature = headers.get(IDENTIFIER, ""), headers.get(SIGNATURE, "")
        if not signature or not 0 < len(identifier) <= _LONGEST_IDENTIFIER:
            return "unsigned", _no(HTTPStatus.UNAUTHORIZED, "not signed")
        try:
            if not await self._keys.has_signed(identifier, signature, body):
                return "unsigned", _no(HTTPStatus.UNAUTHORIZED, "bad signature")
            return await self._take(body)
        except Throttled:
            return "too_many", _no(HTTPStatus.TOO_MANY_REQUESTS, "too many keys today")
        except LatchkeyError:
            return "unavailable", _no(HTTPStatus.SERVICE_UNAVAILABLE, "try again")

    async def _take(self, body: bytes) -> tuple[str, Answer]:
        try:
            report = await asyncio.to_thread(read, body)
        except Unreadable:
            return "unreadable", _no(HTTPStatus.BAD_REQUEST, "unreadable")
        except TooMany:
            return "too_many", _no(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too many entries")
        # Of the body: a signature can be written in two ways that are both right.
        digest = hashlib.sha256(body).hexdigest()
        labels, is_new = await self._scans.take(digest, self._source, report)
        if is_new:
            for label in (*(each or "none" for each in labels), *(NO_ID for _ in report.alone)):
                self._labeled(label)
        feedback = [_feedback(each, label) for each, label in zip(report.matches, labels, strict=True) if label]
        return "taken" if is_new else "repeated", (HTTPStatus.OK, feedback)


def _no(status: HTTPStatus, why: str) -> Answer:
    return status, {"error": why}


def _feedback(match: Spot, label: Label) -> Mapping[str, str]:
    """What GitHub is told of a match, which never gets its token back."""
    return {"token_hash": hashlib.sha256(match.token.encode()).hexdigest(), "token_type": match.type, "label": label}


def named(address: str) -> str:
    """What people read of who found a key, by where its public keys are."""
    return "GitHub secret scanning" if address == GITHUB else "A secret scanner"
