"""Collects what a review says about one owner's keys, and to whom. Only reads."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bot.domain.catalog import Quota
from bot.domain.deadlines import earliest, end_of_life
from bot.domain.errors import CloudRefused, Tampered, Unavailable
from bot.domain.keys import ApiKey, KeyId, Marker, Principal, Resource
from bot.domain.policy import Review
from bot.domain.requests import Keyed, Request, Withdrawn
from bot.domain.review import Attestation, Audience, Digest, Listed, findings, is_near, urgency
from bot.services.browse.key import managed
from bot.services.catalog.cache import CatalogCache
from bot.services.catalog.quota import concerns, counted
from bot.services.people.directory import Directory
from bot.services.ports.cloud import Cloud
from bot.services.ports.store import Cache, Clock, Keeps, Requests
from bot.services.review.audience import KnownOwner, Reader, Recipients

ORGANIZATION = Principal("=")
"""Stands for an owner's ID; means the organization itself."""
MOST_CLUSTERS = 5
"""How many of one owner's Kafka clusters are checked for limits."""
LIMIT_KEPT = timedelta(hours=6)
"""How long a cluster's limits are cached, because many owners have keys for the same cluster."""
_COUNTED = ("api_keys", "apikeys", "service_accounts")
"""Parts of the codes of those organization limits that keys count toward."""
log = logging.getLogger("latchkey.review")


@dataclass(slots=True)
class _Pile:
    """Everything for one reader."""

    audience: Audience
    keys: list[Listed] = field(default_factory=list[Listed])
    kept: list[Attestation] = field(default_factory=list[Attestation])
    quotas: tuple[Quota, ...] = ()
    names: dict[KeyId, str] = field(default_factory=dict[KeyId, str])
    owners: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Found:
    """A key to be reviewed. `kept` is the answer, if someone has already given one."""

    listed: Listed
    maker: Request | None
    kept: Attestation | None


@dataclass(frozen=True, slots=True)
class Digests:
    """Collects what a review tells each reader. Every method may raise `Unavailable` and `CloudRefused`."""

    directory: Directory
    catalog: CatalogCache
    cloud: Cloud
    cache: Cache
    requests: Requests
    keeps: Keeps
    recipients: Recipients
    clock: Clock

    async def of(self, owner: Principal, review: Review, since: datetime) -> Mapping[str, Digest]:
        """The digest for each reader, by the ID of the Slack user or channel. Includes keys kept after `since`."""
        now = self.clock()
        if owner == ORGANIZATION:
            limits = tuple(each for each in await self._quotas() if is_near(each))
            return {review.channel: Digest(None, "channel", now, review.older_than, quotas=limits)}
        whose = await self.recipients.known(owner)
        if await self.directory.is_own(whose.owner):
            return {}
        keys, _ = await self.cloud.keys_shown(owner)
        found, near = await self._found(keys, whose, review), await self._near(keys, whose)
        if not found and not near:
            return {}
        piles = await self._piles(found, near, whose, review.channel, since)
        return {
            to: Digest(
                owner=whose.owner,
                audience=pile.audience,
                at=now,
                older_than=review.older_than,
                owner_name=whose.name,
                keys=tuple(sorted(pile.keys, key=urgency)),
                kept=tuple(sorted(pile.kept, key=lambda kept: kept.at)),
                quotas=pile.quotas,
                names=pile.names,
                owners=pile.owners,
            )
            for to, pile in piles.items()
        }

    async def _piles(
        self, found: Iterable[_Found], near: tuple[Quota, ...], whose: KnownOwner, channel: str, since: datetime
    ) -> Mapping[str, _Pile]:
        piles, people = dict[str, _Pile](), await self.recipients.people(whose)
        owners = tuple(dict.fromkeys(each.person.name for each in people))

        def of(readers: Sequence[Reader]) -> Sequence[_Pile]:
            if not readers:
                return [piles.setdefault(channel, _Pile("channel", owners=owners))]
            return [piles.setdefault(reader.to, _Pile(reader.audience)) for reader in readers]

        for each in found:
            for pile in of(await self.recipients.readers(whose, each.listed.resource, each.maker, people)):
                if each.kept is None:
                    pile.keys.append(each.listed)
                elif each.kept.at >= since:
                    pile.kept.append(each.kept)
                    pile.names[each.kept.key] = each.listed.key.name
        if near:
            others = [pile for to, pile in piles.items() if to == channel]  # about keys that these people don't manage
            for pile in (*of(people), *others):
                pile.quotas = near
        return piles

    async def _found(self, keys: Sequence[ApiKey], whose: KnownOwner, review: Review) -> list[_Found]:
        """The keys that there is a reason to review."""
        now, catalog = self.clock(), await self.catalog.index()
        kept = await self.keeps.kept([key.id for key in keys])
        found: list[_Found] = []
        for key in keys:
            maker, is_managed = await self._maker(key)
            why = findings(key, is_orphaned=whose.is_gone, is_managed=is_managed, now=now, older_than=review.older_than)
            if not why or isinstance(maker, Withdrawn):
                continue
            resource, answer = catalog.resource(key), kept.get(key.id)
            shown = replace(key, description=Marker.without(key.description))
            planned = end_of_life(maker) if isinstance(maker, Keyed) else None
            listed = Listed(shown, resource, why, earliest(planned, key.expires_at))
            is_answered = answer is not None and answer.answers(why, now)
            found.append(_Found(listed, maker, answer if is_answered else None))
        return found

    async def _maker(self, key: ApiKey) -> tuple[Request | None, bool]:
        """The request that created the key, and whether Latchkey created it, which an unreadable record also shows."""
        try:
            stored = await managed(key, self.requests)
        except Tampered as error:
            log.warning("couldn't read a key's record", extra={"key": key.id, "why": str(error)})
            return None, True
        return (stored.value, True) if stored else (None, False)

    async def _near(self, keys: Sequence[ApiKey], whose: KnownOwner) -> tuple[Quota, ...]:
        """The limits of this owner, and of the clusters that its keys open, that are nearly reached."""
        if whose.is_gone or not keys:
            return ()
        catalog = await self.catalog.index()
        resources = list(dict.fromkeys(each for key in keys if (each := catalog.resource(key)) is not None))
        concerned = {each.code: each for resource in resources for each in concerns(whose.owner, resource)}
        said = dict[tuple[str, str], Quota]()
        for quota in await self._quotas(whose, [each for each in resources if each.kind.row.limits.of_resource]):
            concern = concerned.get(quota.code)
            if quota.of and concern is not None:
                ours = counted(concern, keys) if concern.counted == "keys" else None
                usage = ours if quota.usage is None else quota.usage
                said[quota.code, quota.of] = replace(quota, usage=usage)
        return tuple(quota for quota in said.values() if is_near(quota))

    async def _quotas(self, whose: KnownOwner | None = None, clusters: Sequence[Resource] = ()) -> Sequence[Quota]:
        """The limits; none if Confluent doesn't return them, because the message about keys is useful without them."""
        cloud, placed = self.cloud, [each for each in clusters if each.environment]
        try:
            if whose is None:
                return [each for each in await cloud.quotas() if any(part in each.code for part in _COUNTED)]
            found = [*await cloud.quotas(whose.owner)]
            for cluster in placed[:MOST_CLUSTERS]:
                found += await self._of_cluster(cluster)
        except (Unavailable, CloudRefused) as error:
            log.warning("couldn't read quotas for a review, so it leaves them out", extra={"why": str(error)})
            return ()
        return found

    async def _of_cluster(self, cluster: Resource) -> Sequence[Quota]:
        name = f"quotas:{cluster.id}"
        if cached := await self.cache.get(name, tuple[Quota, ...]):
            return cached[0]
        said = tuple(await self.cloud.quotas(None, cluster.id, cluster.environment))
        found = tuple(each for each in said if each.of == cluster.id)
        await self.cache.put(name, found, tuple[Quota, ...], now=self.clock(), keep=LIMIT_KEPT)
        return found
