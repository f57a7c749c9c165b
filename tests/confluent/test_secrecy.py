"""The secret of a new key is in one place: the `Secret` that the caller gets."""

import copy
import logging
import pickle
import traceback
from collections.abc import Iterator

import httpx
import pytest

from bot.confluent.client import Client
from bot.confluent.cloud import ConfluentCloud
from bot.confluent.wire import ApiKey
from bot.domain.errors import LatchkeyError
from tests.confluent.fake import NEW_SECRET, OWN_SECRET, FakeConfluent, api_key
from tests.confluent.test_cloud import NEW

WITH_SECRET = api_key("K1", secret=NEW_SECRET)
TRUNCATED = httpx.Response(202, json=WITH_SECRET).content[:-3]

ANSWERS = {
    "made": httpx.Response(202, json=WITH_SECRET),
    "truncated": httpx.Response(202, content=TRUNCATED),
    "no id": httpx.Response(202, json={"spec": {"secret": NEW_SECRET}}),
    "secret is a list": httpx.Response(202, json=api_key("K1", secret=[NEW_SECRET])),
    "secret in another field": httpx.Response(202, json=api_key("K1", resources=NEW_SECRET)),
    "for another owner": httpx.Response(202, json=api_key("K1", owner="sa-other1", secret=NEW_SECRET)),
    "server error": httpx.Response(500, json=WITH_SECRET),
    "refused": httpx.Response(422, json={"errors": [{"detail": f"no such {NEW_SECRET}"}]}),
    "throttled": httpx.Response(429, json={"message": NEW_SECRET}),
    "own key": httpx.Response(401, json={"message": NEW_SECRET}),
}


def everything_about(error: BaseException) -> Iterator[str]:
    yield from (str(error), repr(error), repr(error.args), repr(vars(error)))
    yield "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
async def test_the_secret_is_in_no_log_and_no_exception(
    cloud: ConfluentCloud,
    fake: FakeConfluent,
    answer: httpx.Response,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore"):
        caplog.set_level(logging.DEBUG, logger=name)
    fake.script.append(answer)
    told: list[str] = []
    chained: list[BaseException | None] = []

    try:
        key, secret = await cloud.create_key(NEW)
        told += [repr(key), str(key), repr(secret), str(secret), f"{secret}"]
    except LatchkeyError as error:
        told += everything_about(error)
        chained += [error.__cause__, error.__context__]

    captured = capsys.readouterr()
    told += [caplog.text, captured.out, captured.err]
    assert set(chained) <= {None}
    assert caplog.records, "nothing was logged: the test proves nothing"
    assert told
    for text in told:
        assert NEW_SECRET not in text
        assert OWN_SECRET not in text


def test_a_read_key_hides_its_secret() -> None:
    row = ApiKey.model_validate(WITH_SECRET)

    for text in (repr(row), str(row), f"{row.spec}", row.model_dump_json(), repr(row.model_dump())):
        assert NEW_SECRET not in text


async def test_the_secret_is_not_pickled_or_copied(cloud: ConfluentCloud) -> None:
    _, secret = await cloud.create_key(NEW)

    for duplicate in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError):
            duplicate(secret)


def test_our_own_secret_is_in_no_repr(client: Client, cloud: ConfluentCloud) -> None:
    for thing in (client, cloud, client._http, client._http.auth, vars(client)):
        assert OWN_SECRET not in repr(thing)
