"""Handles reports from a secret scanner, in the format of GitHub's partner program.

The order keeps strangers out: first the size, then the signature over the raw bytes, and only then the content.
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
"""An HTTP status, and the value for the JSON body."""


class Webhook:
    """Answers requests, also concurrent ones. Keeps nothing itself."""

    def __init__(
        self,
        keys: SigningKeys,
        scans: Scans,
        source: str,
        counted: Callable[[str], None] = lambda _outcome: None,
        labeled: Callable[[str], None] = lambda _label: None,
    ) -> None:
        """`source` names the scanner for people.

        `counted` is called with one of `OUTCOMES`, `labeled` with one of `LABELS`.
        """
        self._keys, self._scans, self._source = keys, scans, source
        self._counted, self._labeled = counted, labeled

    async def __call__(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """Handle a report. If it returns 200, everything that follows from the report is stored.

        Never raises on purpose.
        """
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
        # Of the body, not the signature: one signature can be written in two valid ways.
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
    """GitHub's feedback about a match. It contains only a hash of the token."""
    return {"token_hash": hashlib.sha256(match.token.encode()).hexdigest(), "token_type": match.type, "label": label}


def named(address: str) -> str:
    """The name of the scanner for people, from the address of its public keys."""
    return "GitHub secret scanning" if address == GITHUB else "A secret scanner"
