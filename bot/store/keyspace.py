"""Every key that Latchkey has in Redis, and how long each one lives.

All keys of a workspace carry its id as hash tag (`lk:{T01}:…`): one slot of a cluster, so that one script may touch
several of them. A key has a lifetime below, except the audit log with its base, and the agenda, which would forget
deadlines; a test scans for any other.
"""

import re
from dataclasses import dataclass
from datetime import timedelta

from bot.domain.keys import KeyId, Principal, RequestId, SlackUserId, TeamId

REQUEST_KEPT = timedelta(days=400)
"""From the last write, or what is planned next: a year's review finds every request of that year."""
MOST_OF_ONE = 1000
"""Requests of one person that are listed, newest first: those of keys that live for years, too."""
SECRET_KEPT_AFTER_DEADLINE = timedelta(days=1)
"""Longer than the claim deadline, because the step that ends the claim is what removes the secret."""
CLICK_KEPT = timedelta(days=1)
"""Long enough to tell people about clicks that came while no process ran. Slack repeats a delivery within minutes."""
REFUSAL_KEPT = timedelta(hours=1)
"""Longer than the minute after which they are written down, for a time when nobody works."""
DRAFT_KEPT = timedelta(days=1)
"""Long enough to send a form again that was refused after its modal was closed."""
HOMES_KEPT = timedelta(days=2)
"""Longer than Home is kept up to date after a visit."""
DIGEST_KEPT = timedelta(days=400)
"""From the last write; longer than the time between two reviews."""
LEASES_TTL_MS = 86_400_000
"""Milliseconds; far longer than any lease."""
SCANNED = 500
"""Records that are looked at together."""

_TEAM = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Keyspace:
    """The keys of one workspace. Raises ValueError for a workspace id that cannot be a hash tag."""

    team: TeamId

    def __post_init__(self) -> None:
        if not _TEAM.fullmatch(self.team):
            raise ValueError("a workspace id has letters, digits, _ and - only")

    @property
    def every(self) -> str:
        """What all our keys match, and nobody else's."""
        return self._key("*")

    def kind(self, key: str) -> str:
        """What a key of ours holds: the word after the workspace."""
        return key.removeprefix(self._key("")).partition(":")[0]

    def request(self, request: RequestId) -> str:
        """Hash: `rev` in the clear and `body`, sealed. Kept `REQUEST_KEPT`."""
        return self._key("request", request)

    def secret(self, request: RequestId) -> str:
        """The sealed secret of a key that waits for its requester. Kept until it is taken, or past its deadline."""
        return self._key("secret", request)

    def posts(self, request: RequestId) -> str:
        """Hash of `channel|ts` to a sealed record of the message. Kept `REQUEST_KEPT` after the last look."""
        return self._key("posts", request)

    def requests_of(self, requester: SlackUserId) -> str:
        """Sorted set of request ids by the time they were asked: the newest `MOST_OF_ONE`. Kept `REQUEST_KEPT`."""
        return self._key("requests-of", requester)

    def open_of(self, requester: SlackUserId) -> str:
        """Hash of one person's open requests to what each is for, hashed. Kept `REQUEST_KEPT`."""
        return self._key("open-of", requester)

    def click(self, click: str) -> str:
        """A sealed click, or "" once it is carried out. Kept `CLICK_KEPT`."""
        return self._key("click", click)

    def draft(self, draft: str) -> str:
        """A sealed form. Kept `DRAFT_KEPT`."""
        return self._key("draft", draft)

    def cache(self, name: str) -> str:
        """A sealed copy of what another system said. Kept as long as its writer said."""
        return self._key("cache", name)

    def refusal(self, name: str) -> str:
        """Hash: `event`, a sealed refusal, and `n`, how often it happened. Kept `REFUSAL_KEPT` after the last."""
        return self._key("refusal", name)

    def keep(self, key: KeyId) -> str:
        """Why someone keeps a key that the review asked about, sealed. Kept until the review asks again."""
        return self._key("keep", key)

    def digest(self, owner: Principal) -> str:
        """Which messages the last review sent about this owner's keys, sealed. Kept `DIGEST_KEPT`."""
        return self._key("digest", owner)

    @property
    def review_pass(self) -> str:
        """Whose keys the last review met, and which of them its channel is asked about, sealed. Kept `DIGEST_KEPT`."""
        return self._key("digest", "@")  # the id of no owner, as an item's name shows

    @property
    def homes(self) -> str:
        """Sorted set of the people who opened Home by when they last did. Kept `HOMES_KEPT`, and cut to it."""
        return self._key("homes")

    @property
    def pending(self) -> str:
        """Sorted set of ids of the requests that wait for a decision. Kept `REQUEST_KEPT` after the last write."""
        return self._key("pending")

    @property
    def probe(self) -> str:
        """What a check of the store writes, and removes in the same transaction."""
        return self._key("probe")

    @property
    def agenda(self) -> str:
        """Sorted set of agenda items by when they are due, in ms since 1970."""
        return self._key("agenda")

    @property
    def leases(self) -> str:
        """Hash of held agenda items: the end of each lease in ms since 1970, a point, its token. Kept for a day."""
        return self._key("leases")

    @property
    def aside(self) -> str:
        """Sorted set of due items of unknown kinds, for processes that know them. Kept `REQUEST_KEPT`."""
        return self._key("aside")

    @property
    def audit(self) -> str:
        """List of the audit lines behind the base, oldest first, each sealed."""
        return self._key("audit")

    @property
    def audit_head(self) -> str:
        """The sealed number and hash of the last audit line."""
        return self._key("audit-head")

    @property
    def audit_base(self) -> str:
        """List: where the audit log begins, once older lines were moved to a file, and what those say; all sealed."""
        return self._key("audit-base")

    def _key(self, *parts: str) -> str:
        return f"lk:{{{self.team}}}:{':'.join(parts)}"
