"""T18: only what is surely open no more makes room for another request."""

from dataclasses import replace
from typing import Any

import pytest

from bot.domain.errors import Occupied
from bot.domain.keys import RequestId
from bot.services.ports.store import Room
from bot.store import Store
from bot.store.keyspace import Keyspace
from bot.store.sealing import Purpose, SealContext, Sealer
from tests.store.given import ANN, added, changed, pending, states

R1 = RequestId("R1")


@pytest.mark.parametrize("why", ["newer", "contradicted", "planted"])
async def test_t18_an_open_request_whose_record_does_not_open_keeps_its_place(
    store: Store, redis: Any, keys: Keyspace, sealer: Sealer, why: str
) -> None:
    first, _ = await store.requests.commit(added(pending()))
    older = await redis.hgetall(keys.request(R1))
    await store.requests.commit(changed(first, states()["approved"]))
    match why:
        case "newer":
            place = SealContext(Purpose.REQUEST, keys.request(R1), 2)
            await redis.hset(keys.request(R1), "body", sealer.seal(b'{"format":99,"kind":"pending"}', place))
        case "contradicted":
            await redis.hset(keys.request(R1), mapping=older)
        case _:
            await redis.hset(keys.request(R1), "body", b"planted")

    for room in (Room(2), Room(1, anyway=True)):
        with pytest.raises(Occupied):
            await store.requests.commit(replace(added(pending("R2")), room=room))
    assert await redis.hkeys(keys.open_of(ANN.slack)) == [b"R1"]


async def test_t18_an_open_request_whose_record_is_gone_makes_room(store: Store, redis: Any, keys: Keyspace) -> None:
    for request in ("R1", "R3"):
        await store.requests.commit(added(pending(request)))
    await redis.delete(keys.request(R1))

    await store.requests.commit(replace(added(pending("R2")), room=Room(2, anyway=True)))

    assert sorted(await redis.hkeys(keys.open_of(ANN.slack))) == [b"R2", b"R3"]
