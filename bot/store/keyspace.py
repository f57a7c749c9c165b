"""Every key that Latchkey uses in Redis, and how long each is kept.

All keys of a workspace have its ID as hash tag (`lk:{T01}:…`), which puts them in one slot of a cluster, so that one
script can use several of them. Each key has a TTL from below, except the audit log with its head and base, and the
agenda, which would forget deadlines. A test scans for any other key without a TTL.
"""

import re
from dataclasses import dataclass
from datetime import timedelta

from bot.domain.keys import KeyId, Principal, RequestId, SlackUserId, TeamId

REQUEST_KEPT = timedelta(days=400)
"""After the last write or planned step. A yearly review finds every request of that year."""
MOST_OF_ONE = 1000
"""How many of one person's requests are listed, newest first. Includes requests whose keys live for years."""
SECRET_KEPT_AFTER_DEADLINE = timedelta(days=1)
"""Time after the claim deadline, so that the step at the deadline, not the TTL, removes the secret."""
CLICK_KEPT = timedelta(days=1)
"""Long enough to tell people about clicks that came while no process ran. Slack retries a delivery within minutes."""
REFUSAL_KEPT = timedelta(hours=1)
"""Longer than the minute after which refusals are written to the audit log, in case no process runs then."""
DRAFT_KEPT = timedelta(days=1)
"""Long enough to send a form again that was refused after its modal closed."""
HOMES_KEPT = timedelta(days=2)
"""Longer than Home is kept up to date after a visit."""
DIGEST_KEPT = timedelta(days=400)
"""After the last write; longer than the time between two reviews."""
LEASES_TTL_MS = 86_400_000
"""Milliseconds; far longer than any lease."""
SCANNED = 500
"""Records that are read at once."""

_TEAM = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Keyspace:
    """The keys of one workspace. Raises ValueError for a workspace ID that can't be a hash tag."""

    team: TeamId

    def __post_init__(self) -> None:
        if not _TEAM.fullmatch(self.team):
            raise ValueError("a workspace id has letters, digits, _ and - only")

    @property
    def every(self) -> str:
        """A pattern that matches all keys of this workspace and no others."""
        return self._key("*")

    def kind(self, key: str) -> str:
        """The word after the workspace in a key, which says what it holds."""
        return key.removeprefix(self._key("")).partition(":")[0]

    def request(self, request: RequestId) -> str:
        """Hash: `rev` in the clear, and `body` sealed. Kept for `REQUEST_KEPT`."""
        return self._key("request", request)

    def secret(self, request: RequestId) -> str:
        """The sealed secret of a key, while the requester hasn't viewed it. Kept for a day past its deadline."""
        return self._key("secret", request)

    def posts(self, request: RequestId) -> str:
        """Hash of `channel|ts` to a sealed record of the message. Kept for `REQUEST_KEPT` after the last read."""
        return self._key("posts", request)

    def requests_of(self, requester: SlackUserId) -> str:
        """Sorted set of request IDs by when they were sent: the newest `MOST_OF_ONE`. Kept for `REQUEST_KEPT`."""
        return self._key("requests-of", requester)

    def open_of(self, requester: SlackUserId) -> str:
        """Hash: a person's open requests, each with a hash of what it's for. Kept for `REQUEST_KEPT`."""
        return self._key("open-of", requester)

    def click(self, click: str) -> str:
        """A sealed click, or "" once it's carried out. Kept for `CLICK_KEPT`."""
        return self._key("click", click)

    def draft(self, draft: str) -> str:
        """A sealed form. Kept for `DRAFT_KEPT`."""
        return self._key("draft", draft)

    def cache(self, name: str) -> str:
        """A sealed copy of what another system said. Its writer decides how long it's kept."""
        return self._key("cache", name)

    def refusal(self, name: str) -> str:
        """Hash: `event`, a sealed refusal, and `n`, how often it happened.

        Kept for `REFUSAL_KEPT` after the last one.
        """
        return self._key("refusal", name)

    def keep(self, key: KeyId) -> str:
        """Why someone keeps a key that the review asked about, sealed. Kept until the review asks again."""
        return self._key("keep", key)

    def digest(self, owner: Principal) -> str:
        """Which messages the last review sent about this owner's keys, sealed. Kept for `DIGEST_KEPT`."""
        return self._key("digest", owner)

    @property
    def review_pass(self) -> str:
        """The owners of keys that the last review found, and those that its channel is asked about, sealed.

        Kept for `DIGEST_KEPT`.
        """
        return self._key("digest", "@")  # no owner has this ID

    @property
    def homes(self) -> str:
        """Sorted set of the people who opened Home, by when they last did.

        Kept for `HOMES_KEPT`; older entries are removed.
        """
        return self._key("homes")

    @property
    def pending(self) -> str:
        """Sorted set of the IDs of pending requests. Kept for `REQUEST_KEPT` after the last write."""
        return self._key("pending")

    @property
    def probe(self) -> str:
        """A key that checks of the store write and then remove."""
        return self._key("probe")

    @property
    def agenda(self) -> str:
        """Sorted set of agenda items by when they're due, in ms since 1970."""
        return self._key("agenda")

    @property
    def leases(self) -> str:
        """Hash of leased agenda items: the end of each lease in ms since 1970, a dot, and its token. Kept for a day."""
        return self._key("leases")

    @property
    def aside(self) -> str:
        """Sorted set of due items of unknown kinds, for processes that know them. Kept for `REQUEST_KEPT`."""
        return self._key("aside")

    @property
    def audit(self) -> str:
        """List of the audit lines after the base, oldest first, each sealed."""
        return self._key("audit")

    @property
    def audit_head(self) -> str:
        """The sealed number and hash of the last audit line."""
        return self._key("audit-head")

    @property
    def audit_base(self) -> str:
        """List: where the log starts once older lines were moved to a file, and a summary of those; all sealed."""
        return self._key("audit-base")

    def _key(self, *parts: str) -> str:
        return f"lk:{{{self.team}}}:{':'.join(parts)}"
