"""Everything that Latchkey stores, sealed, in Redis or Valkey."""

from dataclasses import dataclass

from redis.asyncio import Redis

from bot.domain.keys import TeamId
from bot.services.ports.store import Clock
from bot.store.agenda import RedisAgenda, RedisHomes, RedisLoad, RedisRefusals
from bot.store.audit.archive import RedisArchive
from bot.store.audit.log import RedisAudit
from bot.store.cache import RedisCache
from bot.store.disk import Disk
from bot.store.inbox import RedisDrafts, RedisInbox
from bot.store.keeps import RedisKeeps
from bot.store.keyspace import Keyspace
from bot.store.moments import utc_now
from bot.store.posts import RedisPosts
from bot.store.requests import RedisRequests
from bot.store.sealing import Sealer
from bot.store.seals import RedisSeals


@dataclass(frozen=True, slots=True)
class Store:
    """The store of one workspace. Its parts share a connection, which the code that opened it closes."""

    requests: RedisRequests
    agenda: RedisAgenda
    inbox: RedisInbox
    drafts: RedisDrafts
    posts: RedisPosts
    audit: RedisAudit
    archive: RedisArchive
    cache: RedisCache
    keeps: RedisKeeps
    homes: RedisHomes
    refusals: RedisRefusals
    seals: RedisSeals
    load: RedisLoad
    disk: Disk
    keys: Keyspace

    @classmethod
    def open(cls, redis: Redis, sealer: Sealer, team: TeamId, clock: Clock = utc_now, *, replicas: int = 0) -> "Store":
        """Build the parts; sends nothing.

        `redis` must not decode responses. `replicas` is the number of replicas that each intent has to reach.
        """
        keys = Keyspace(team)
        disk = Disk(clock, keys.probe, replicas)
        audit = RedisAudit(redis, keys, sealer, disk)
        requests = RedisRequests(redis, keys, sealer, audit, disk, clock)
        return cls(
            requests=requests,
            agenda=RedisAgenda(redis, keys),
            inbox=RedisInbox(redis, keys, sealer, disk),
            drafts=RedisDrafts(redis, keys, sealer),
            posts=RedisPosts(redis, keys, sealer),
            audit=audit,
            archive=RedisArchive(redis, keys, sealer, audit, disk),
            cache=RedisCache(redis, keys, sealer, clock),
            keeps=RedisKeeps(redis, keys, sealer, clock),
            homes=RedisHomes(redis, keys),
            refusals=RedisRefusals(redis, keys, sealer),
            seals=RedisSeals(redis, keys, sealer, audit, requests, disk),
            load=RedisLoad(redis, keys),
            disk=disk,
            keys=keys,
        )
