"""Checks of the store: whether Redis allows what Latchkey needs, keeps what it's given, and holds valid data."""

from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import AsyncExitStack

from redis.asyncio import Redis

from bot.connections import embedded_problem, opened_redis
from bot.diagnosis import records
from bot.diagnosis.findings import Finding, failed, looked, ok, unknown, unseen, warning
from bot.domain.errors import Unavailable, counted
from bot.domain.keys import TeamId
from bot.fitness import Problem, appendfsync, cause_of, flush_problem, missing_rights, must_answer, server_problems
from bot.services.keys.expiry import Backstop, ExpirySupport
from bot.settings import Settings, StartupError
from bot.store import Store
from bot.store.codec import FORMAT
from bot.store.connection import clock_problem, must_take_writes, teams
from bot.store.keyspace import Keyspace
from bot.store.moments import utc_now
from bot.store.sealing import Sealer, parse_master_keys

STORE, RIGHTS, SERVER, FSYNC = "store", "store rights", "store settings", "appendfsync"
DISK, REPLICAS, CLOCK = "disk", "replicas", "clock"
KEYS, AUDIT, RECORDS, FORMATS, EXPIRY = "master keys", "audit log", "records", "format", "expiry at Confluent"
OF_THE_SERVER = (RIGHTS, SERVER, FSYNC, DISK, REPLICAS, CLOCK)
OF_WHAT_IS_STORED = (KEYS, AUDIT, RECORDS, FORMATS, EXPIRY)
CHECKS = (STORE, *OF_THE_SERVER, *OF_WHAT_IS_STORED)
_NO_TEAM = TeamId("unknown")
_EXPIRY: Mapping[ExpirySupport, str] = {
    "": "not known yet: no key with a lifetime was created in the last 30 days",
    "honored": "honored: Confluent deletes an expired key itself, some time after Latchkey would have",
    "ignored": "ignored: only Latchkey deletes expired keys",
    "refused": "refused: only Latchkey deletes expired keys",
}
"""What Confluent's API does with `expires_at`, as the last create found out. The check itself creates no key."""


async def examine(settings: Settings, team: TeamId | None) -> list[Finding]:
    """Check everything about the store.

    Without a `team`, because Slack didn't answer, it uses the only workspace that the store has.
    """
    async with AsyncExitStack() as stack:
        try:
            redis = await opened_redis(stack, settings, probe=Keyspace(team or _NO_TEAM).probe)
            await must_answer(redis)
        except StartupError as error:
            return [failed(STORE, str(error)), *unseen(CHECKS[1:], "The store can't be opened.")]
        except Unavailable as error:
            says, do = cause_of(error)
            return [failed(STORE, says, do), *unseen(CHECKS[1:], "The store doesn't answer.")]
        team = team or await _team_of(redis)
        sealer = Sealer(parse_master_keys(settings.latchkey_master_keys.get_secret_value()))
        store = Store.open(redis, sealer, team or _NO_TEAM, utc_now, replicas=settings.latchkey_redis_replicas)
        found = [each async for each in _of_the_server(redis, store, settings)]
        if team is None:
            return [*found, *unseen(OF_WHAT_IS_STORED, "Slack didn't say which workspace the store belongs to.")]
        return [*found, *[each async for each in _of_what_is_stored(store, settings)]]


async def _team_of(redis: Redis) -> TeamId | None:
    """The workspace, if the store has exactly one. The checks report why it can't be read."""
    try:
        found = await teams(redis)
    except Unavailable:
        return None
    return found[0] if len(found) == 1 else None


async def _of_the_server(redis: Redis, store: Store, settings: Settings) -> AsyncIterator[Finding]:
    replicas = settings.latchkey_redis_replicas
    yield await _looked(STORE, _writes(redis, store.keys))
    yield await _looked(RIGHTS, _rights(redis, store.keys))
    for each in await _settings_of(redis, settings):
        yield each
    yield await _looked(FSYNC, _fsync(redis))
    yield await _looked(DISK, _disk(redis, store))
    yield await _looked(REPLICAS, _replicas(redis, store, replicas))
    yield await _looked(CLOCK, _clock(redis))


async def _looked(check: str, look: Awaitable[Finding]) -> Finding:
    return await looked(check, _explained(check, look))


async def _explained(check: str, look: Awaitable[Finding]) -> Finding:
    """The finding of a check; a Redis error becomes the finding that explains it."""
    try:
        return await look
    except Unavailable as error:
        if error.__cause__ is None:
            raise
        return failed(check, *cause_of(error))


async def _writes(redis: Redis, keys: Keyspace) -> Finding:
    await must_take_writes(redis, keys)
    return ok(STORE)


async def _rights(redis: Redis, keys: Keyspace) -> Finding:
    missing = await missing_rights(redis, keys)
    return failed(RIGHTS, missing.says, missing.do) if missing else ok(RIGHTS)


async def _settings_of(redis: Redis, settings: Settings) -> Sequence[Finding]:
    try:
        problems = await server_problems(redis, settings.latchkey_redis_replicas)
    except Unavailable as error:
        return [failed(SERVER, *cause_of(error))]
    if problem := embedded_problem(settings):
        problems = [*problems, problem]
    return [_finding(SERVER, each) for each in problems] or [ok(SERVER)]


def _finding(check: str, problem: Problem) -> Finding:
    return (failed if problem.is_fatal else warning)(check, problem.says, problem.do)


async def _fsync(redis: Redis) -> Finding:
    found = await appendfsync(redis)
    if found is None:
        do = "Ask the team that runs Redis whether it is set to always."
        return unknown(FSYNC, "Latchkey isn't allowed to read appendfsync, and doesn't need to.", do)
    problem = await flush_problem(redis, found)
    return _finding(FSYNC, problem) if problem else ok(FSYNC)


async def _disk(redis: Redis, store: Store) -> Finding:
    problem = await store.disk.problem(redis)
    if problem is None:
        return ok(DISK, "every step waits for the disk")
    needs = "an append-only file, Redis 7.2 or newer, and the right to run WAITAOF"
    return warning(DISK, f"{problem.rstrip('.')}.", f"It needs {needs}. Without it, appendfsync has to be always.")


async def _replicas(redis: Redis, store: Store, replicas: int) -> Finding:
    problem = await store.disk.replicas_problem(redis)
    if problem is None:
        return ok(REPLICAS, f"steps wait for {replicas or 'none'}")
    return failed(
        REPLICAS,
        f"{problem}: Latchkey does nothing until this is fixed.",
        "Start them again, or correct LATCHKEY_REDIS_REPLICAS.",
    )


async def _clock(redis: Redis) -> Finding:
    problem = await clock_problem(redis)
    return failed(CLOCK, f"{problem}.") if problem else ok(CLOCK)


async def _of_what_is_stored(store: Store, settings: Settings) -> AsyncIterator[Finding]:
    keys = await _looked(KEYS, _master_keys(store))
    yield keys
    if keys.state != "ok":
        for each in unseen(OF_WHAT_IS_STORED[1:], "The stored data can't be read."):
            yield each
        return
    yield await _looked(AUDIT, _audit(store, settings))
    yield await _looked(RECORDS, _told(RECORDS, records.records_problem(store)))
    yield await _looked(FORMATS, _told(FORMATS, records.format_problem(store), str(FORMAT)))
    yield await _looked(EXPIRY, _expiry(store))


async def _master_keys(store: Store) -> Finding:
    seals, configured = await store.seals.count(), store.seals.key_ids
    problem = records.keys_problem(seals, configured)
    return failed(KEYS, problem) if problem else ok(KEYS, records.sealed_by(seals, configured))


async def _audit(store: Store, settings: Settings) -> Finding:
    records.hold_to_feed(settings.latchkey_audit_log, store)
    problem = await records.audit_problem(store)
    if problem:
        return failed(AUDIT, problem)
    head, base = store.audit.head, await store.audit.begins()
    moved = f" (1 to {base.seq} in archive files)" if base.seq else ""
    return ok(AUDIT, f"{counted(head.seq, 'line')}{moved}, the last one is {head.seq}:{head.hash}")


async def _expiry(store: Store) -> Finding:
    return ok(EXPIRY, _EXPIRY[await Backstop(store.cache, utc_now).known()])


async def _told(check: str, problem: Awaitable[str | None], well: str = "") -> Finding:
    text = await problem
    return failed(check, text) if text else ok(check, well)
