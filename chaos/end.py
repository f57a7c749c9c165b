"""Reads everything at the end, for the invariants: Redis, Confluent, Slack, the audit log, and logs."""

import json
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from bot.domain.deadlines import due
from bot.domain.errors import Tampered
from bot.domain.keys import RequestId
from bot.domain.requests import Request
from bot.services.commands import HELD
from bot.store import Store
from bot.store.audit.chain import verify_lines
from bot.store.connection import Commands
from bot.store.moments import from_ms
from bot.store.sealing import Sealer, parse_master_keys
from chaos.archive import lines_of
from chaos.invariants import ENDED, IN_MOTION, LATE, End, Line
from chaos.stores import ChaosStore, reading, store_of
from sandbox.stage import MASTER_KEY, Stage
from tests.support.processes import everything_in, latchkey


@dataclass(slots=True)
class Seen:
    """What was noted during the run, and can't be read afterward."""

    before: frozenset[str]
    """The keys that existed at the start."""
    late: list[str] = field(default_factory=list[str])
    fallen: list[str] = field(default_factory=list[str])


async def motion(at: ChaosStore, now: datetime) -> str:
    """What is still in progress, in words; "" once everything has come to rest."""
    async with reading(at) as commands:
        store = store_of(commands)
        late = [str(item) for item, when in (await _agenda(commands, store)).items() if when <= now]
        held = await _held(commands, store)
        requests, _ = await _requests(commands, store)
    moving = [f"{id_} ({each.kind})" for id_, each in requests.items() if _is_moving(each)]
    behind = [id_ for id_, each in requests.items() if (ends := due(each)) and ends <= now - LATE]
    return ", ".join((*late, *held, *moving, *behind))


def _is_moving(request: Request) -> bool:
    """Whether its state will change soon. A key that couldn't be deleted is tried again soon."""
    return isinstance(request, IN_MOTION) or (isinstance(request, ENDED) and request.deleted_at is None)


async def read(
    here: Stage,
    at: ChaosStore,
    environment: Mapping[str, str],
    seen: Seen,
    logs: Mapping[str, Path],
    archives: Sequence[Path] = (),
) -> End:
    """Record everything as it is now."""
    organization, said = here.organization, {name: path.read_text("utf-8") for name, path in logs.items()}
    heads = {head for text in said.values() for head in _heads(text)}
    async with reading(at) as commands:
        store = store_of(commands)
        requests, unreadable = await _requests(commands, store)
        lines, distrust = await _lines(store, archives)
        agenda, held = await _agenda(commands, store), await _held(commands, store)
        undone = [click async for click in _clicks(commands, store) if await commands.get(store.keys.click(click))]
        dump = await everything_in(commands)
    distrust += await _verified(environment, heads, archives)
    return End(
        now=here.clock.now(),
        requests=requests,
        unreadable=unreadable,
        agenda=agenda,
        held=held,
        clicks=undone,
        lines=lines,
        distrust=distrust,
        heads=heads,
        archived=[f"{last['seq']}:{last['hash']}" for path in archives if (last := lines_of((path,))[-1])],
        changes=organization.changes,
        keys={id_: key.description for id_, key in organization.api_keys.items()},
        accounts={id_: account.description for id_, account in organization.service_accounts.items()},
        bindings={
            id_: (each.principal, each.role, each.crn_pattern) for id_, each in organization.role_bindings.items()
        },
        secrets={id_: secret for id_, secret in organization.secrets_issued.items() if id_ not in seen.before},
        sent=[json.dumps(sent.payload, ensure_ascii=False) for sent in here.slack.workspace.outgoing],
        kept=dict(_kept(here, at, dump, archives)),
        logs=said,
        late=seen.late,
        fallen=seen.fallen,
    )


async def _requests(commands: Commands, store: Store) -> tuple[dict[str, Request], list[str]]:
    await store.audit.follow()
    prefix, found, unreadable = store.keys.request(RequestId("")), dict[str, Request](), list[str]()
    async for name in commands.scan_iter(match=f"{prefix}*", count=500):
        id_ = name.decode().removeprefix(prefix)
        try:
            if stored := await store.requests.get(RequestId(id_)):
                found[id_] = stored.value
        except Tampered as error:
            unreadable.append(f"{id_}: {error}")
    return found, unreadable


async def _agenda(commands: Commands, store: Store) -> dict[str, datetime]:
    found = await commands.zrange(store.keys.agenda, 0, -1, withscores=True)
    return {name.decode(): from_ms(score) for name, score in found}


async def _held(commands: Commands, store: Store) -> list[str]:
    leases = [name.decode() for name in await commands.hkeys(store.keys.leases)]
    return leases + [name.decode() for name in await commands.zrange(store.keys.aside, 0, -1)]


async def _clicks(commands: Commands, store: Store) -> AsyncIterator[str]:
    """The stored clicks, except those that wait for `Request another anyway`."""
    prefix = store.keys.click("")
    async for name in commands.scan_iter(match=f"{prefix}*", count=500):
        if not (click := name.decode().removeprefix(prefix)).startswith(HELD):
            yield click


async def _lines(store: Store, archives: Sequence[Path]) -> tuple[list[Line], list[str]]:
    """The lines of the archives and the log, which must be one chain, and what is wrong with it."""
    lines, distrust = list[Line](lines_of(archives)), list[str]()
    try:
        async for line in store.audit.read():
            lines.append(line)
    except Tampered as error:
        distrust.append(str(error))
    if wrong := verify_lines(lines, Sealer(parse_master_keys(MASTER_KEY))):
        distrust.append(wrong)
    return lines, distrust


async def _verified(
    environment: Mapping[str, str], heads: Collection[tuple[int, str]], archives: Sequence[Path]
) -> list[str]:
    """What `latchkey audit verify` finds wrong with log and archives, given a head from the middle of the run."""
    noted = sorted(heads)[len(heads) // 2 :][:1]
    words = [word for seq, found in noted for word in ("--head", f"{seq}:{found}")]
    tries = [words, [str(each) for each in archives]] if archives else [words]
    ended = [(each, await latchkey("audit", "verify", *each, **environment)) for each in tries]
    return [f"audit verify {' '.join(each)}: {found.err.strip()}" for each, found in ended if found.code]


def _heads(log: str) -> Iterator[tuple[int, str]]:
    for line in log.splitlines():
        if '"latchkey.audit"' in line:
            with suppress(ValueError, KeyError):  # a line that was cut off by `kill -9`
                said = json.loads(line)
                yield said["seq"], said["hash"]


def _kept(here: Stage, at: ChaosStore, dump: bytes, archives: Sequence[Path]) -> Iterator[tuple[str, str]]:
    yield "Redis", dump.decode("latin-1")
    for path in (*at.folder.rglob("*"), *archives):
        if path.is_file():
            yield path.name, path.read_bytes().decode("latin-1")
    workspace = here.slack.workspace
    for channel in workspace.channels:
        yield f"the messages of {channel}", json.dumps(workspace.messages(channel), ensure_ascii=False)
