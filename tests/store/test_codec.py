import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from bot.domain.errors import Newer, Tampered
from bot.domain.keys import RequestId, SlackUserId
from bot.domain.requests import Failed, Request
from bot.services.commands import Click, Deny, ReplyTo
from bot.store.codec import CLICK, FORMAT, REQUEST, REQUEST_JSON, revision, with_url, without_url
from bot.store.sealing import Purpose, SealContext, Sealer
from tests.store.given import NOW, RESPONSE_URL, states
from tests.support.build import TEAM

GOLDEN = Path(__file__).parents[1] / "data" / "states"
PLACE = SealContext(Purpose.REQUEST, "lk:{T01}:request:R1", 1)
CLICKED = Click("C1", SlackUserId("U1"), TEAM, NOW, Deny(RequestId("R1"), "no"), ReplyTo(RESPONSE_URL, "C01"))


def test_every_state_is_given() -> None:
    assert {type(state) for state in states().values()} == set(get_args(Request))


@pytest.mark.parametrize("kind", sorted(states()))
def test_what_was_stored_once_still_reads(kind: str) -> None:
    """Never edit a golden file: records like it are in someone's store. Add fields with a default instead."""
    read = REQUEST_JSON.validate_json((GOLDEN / f"{kind}.json").read_bytes())
    expected = states()[kind]
    if isinstance(expected, Failed):
        expected = replace(expected, changed="Nothing was changed.")  # the words of that time

    assert read == expected
    assert read.ask.digest() == states()[kind].ask.digest()


def test_every_stored_field_is_in_a_record_that_must_still_read() -> None:
    defined = REQUEST_JSON.json_schema(mode="serialization")["$defs"].values()
    fields = {name for each in defined for name in each.get("properties", ())}
    written = "".join(file.read_text("utf-8") for file in GOLDEN.iterdir())

    assert {name for name in fields if f'"{name}": ' not in written} == set()


def test_approvals_given_before_there_were_later_fields_still_hold() -> None:
    """This digest was in approvals before an ask could name a key, a lifetime and an overlap."""
    assert states()["pending"].ask.digest() == "a1142a18e908ecaff87e4b84c2237be913c029a09e1473dda40e8cdcc2c6a748"


@pytest.mark.parametrize("kind", sorted(states()))
def test_a_state_round_trips(kind: str) -> None:
    state = states()[kind]

    assert REQUEST_JSON.validate_json(REQUEST_JSON.dump_json(state)) == state


@pytest.mark.parametrize("body", [b"", b"marker", b'{"kind": "marker"}', b'{"kind": "pending", "ask": "marker"}'])
def test_a_body_that_does_not_parse_is_not_quoted(sealer: Sealer, body: bytes) -> None:
    with pytest.raises(Tampered) as raised:
        REQUEST.open(sealer, sealer.seal(body, PLACE), PLACE)

    assert "marker" not in f"{raised.value!r} {raised.value.tell} {raised.value.__cause__!r}"


LATER: dict[str, Callable[[dict[str, Any]], object]] = {
    "a field": lambda record: record.update(of_a_later_version=1),
    "a field further in": lambda record: record["ask"].update(of_a_later_version=1),
    "a state": lambda record: record.update(kind="of_a_later_version"),
}


@pytest.mark.parametrize("change", LATER.values(), ids=LATER)
@pytest.mark.parametrize("kind", sorted(states()))
def test_t8_what_a_later_version_wrote_is_not_read_without_what_is_new_in_it(
    sealer: Sealer, kind: str, change: Callable[[dict[str, Any]], object]
) -> None:
    record = json.loads((GOLDEN / f"{kind}.json").read_text("utf-8"))
    change(record)

    with pytest.raises(Newer):
        REQUEST.open(sealer, sealer.seal(json.dumps(record).encode(), PLACE), PLACE)


@pytest.mark.parametrize("kind", sorted(states()))
def test_t8_a_record_carries_its_format_and_is_read_without_one(sealer: Sealer, kind: str) -> None:
    sealed = REQUEST.seal(sealer, states()[kind], PLACE)
    plain = sealer.open(sealed, PLACE)
    earlier, later = (re.sub(rb'^{"format":2,', now, plain) for now in (b"{", b'{"format":3,'))

    assert json.loads(plain)["format"] == FORMAT
    assert REQUEST.open(sealer, sealer.seal(earlier, PLACE), PLACE) == states()[kind]
    with pytest.raises(Newer, match="format 3"):
        REQUEST.open(sealer, sealer.seal(later, PLACE), PLACE)


def test_t8_whoever_changes_the_fields_of_records_counts_their_format_up() -> None:
    """Then older versions, which would lose the new fields, leave these records to the new one. Once in a release."""
    defined = REQUEST_JSON.json_schema(mode="serialization")["$defs"]
    fields = {name: sorted(each.get("properties", each.get("enum", ()))) for name, each in defined.items()}
    digest = hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:16]

    assert (FORMAT, digest) == (2, "2e9c665a74c9535f")


@pytest.mark.parametrize("click", [CLICKED, replace(CLICKED, reply=ReplyTo())])
def test_a_click_round_trips_with_its_response_url(sealer: Sealer, click: Click) -> None:
    sealed = CLICK.seal(sealer, without_url(click), PLACE)

    assert with_url(CLICK.open(sealer, sealed, PLACE)) == click


def test_a_secret_cannot_be_written_by_mistake(sealer: Sealer) -> None:
    with pytest.raises(ValueError, match="Unable to serialize") as raised:
        CLICK.seal(sealer, (CLICKED, None), PLACE)

    assert RESPONSE_URL.reveal() not in str(raised.value)


@pytest.mark.parametrize(
    ("stored", "found"),
    [(b"0", 0), (b"17", 17), (b"9" * 18, 10**18 - 1), *((each, None) for each in (None, b"", b"-1", b"1x", b"9" * 19))],
)
def test_a_revision_is_a_number_that_latchkey_writes(stored: bytes | None, found: int | None) -> None:
    assert revision(stored) == found
