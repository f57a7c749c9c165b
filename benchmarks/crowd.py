"""A very large Confluent Cloud that answers at once and counts its calls."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from bot.domain.catalog import Environment, User
from bot.domain.keys import ApiKey, Cluster, KeyId, Placed, Principal, ServiceAccount
from bot.domain.kinds import Kind
from tests.support.build import DAY
from tests.support.fakes import FakeCloud

ENVIRONMENTS, CLUSTERS_EACH, KEYS_EACH, PAGE = 500, 40, 50, 100


@dataclass(slots=True)
class CrowdedCloud(FakeCloud):
    """500 environments with 40 Kafka clusters each, and service accounts with 50 keys each; everything else as usual.

    Half of the keys are a hundred days old, so that a review speaks of them.
    """

    asked: Counter[str] = field(default_factory=Counter[str])
    """How many calls of this kind there were."""
    _accounts: list[ServiceAccount] = field(default_factory=list[ServiceAccount])
    _keys: list[ApiKey] = field(default_factory=list[ApiKey])
    _of: dict[Principal, list[ApiKey]] = field(default_factory=dict[Principal, list[ApiKey]])

    def grow(self, keys: int, of: Principal | None = None) -> None:
        """Add this many keys, of this owner or of as many service accounts as it takes."""
        now, before = self.clock(), len(self._keys)
        for number in range(before, before + keys):
            account, place = number // KEYS_EACH, number * 7919 % (ENVIRONMENTS * CLUSTERS_EACH)
            owner = of or Principal(f"sa-{account:05}")
            if owner not in self._of:
                self._of[owner] = []
                if of is None:
                    self._accounts.append(ServiceAccount(owner, f"service {account:05}"))
            cluster = f"lkc-{place // CLUSTERS_EACH:05}{place % CLUSTERS_EACH:02}"
            at = now - (100 if number % 2 else 10) * DAY - timedelta(seconds=number)
            key = ApiKey(KeyId(f"KEY{number:013}"), owner, cluster, f"key {number}", "by hand", at, Kind.KAFKA)
            self._keys.append(key)
            self._of[owner].append(key)

    async def environments(self) -> Sequence[Environment]:
        return [Environment(f"env-{number:05}", f"environment {number}") for number in range(ENVIRONMENTS)]

    async def resources(self, kind: Kind, environment: Environment) -> Sequence[Placed]:
        if kind is not Kind.KAFKA:
            return []
        return [
            Cluster(Kind.KAFKA, f"lkc-{environment.id[4:]}{n:02}", f"orders {n}", environment.id, environment.name)
            for n in range(CLUSTERS_EACH)
        ]

    async def service_accounts(self) -> Sequence[ServiceAccount]:
        return self._accounts

    async def service_account(self, account: Principal) -> ServiceAccount | None:
        self.asked["service account"] += 1
        return next((ServiceAccount(account, f"service {account[3:]}") for _ in self._of.get(account, ())), None)

    async def users(self) -> Sequence[User]:
        self.asked["users"] += 1
        others = [User(Principal(f"u-{n:05}"), f"colleague{n}@example.com", f"Colleague {n}") for n in range(500)]
        return [*await FakeCloud.users(self), *others]

    async def keys_of(self, owner: Principal) -> Sequence[ApiKey]:
        self.asked["keys of an owner"] += 1
        return self._of.get(owner, ())

    async def key_page(self, token: str) -> tuple[Sequence[ApiKey], str]:
        self.asked["page of keys"] += 1
        start = int(token or 0)
        end = start + PAGE
        return self._keys[start:end], str(end) if end < len(self._keys) else ""
