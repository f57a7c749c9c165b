import json
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from bot.domain.errors import Tampered
from bot.domain.keys import RequestId, SlackUserId
from bot.domain.requests import Request
from bot.services.commands import Click, Deny, ReplyTo
from bot.store.codec import CLICK, REQUEST, REQUEST_JSON, with_url, without_url
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
    """Never edit a golden file: records like it are in somebody's store. Add fields with a default instead."""
    read = REQUEST_JSON.validate_json((GOLDEN / f"{kind}.json").read_bytes())

    assert read == states()[kind]
    assert read.ask.digest() == states()[kind].ask.digest()


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


def test_a_field_of_a_later_version_is_passed_over() -> None:
    later = json.loads((GOLDEN / "pending.json").read_text("utf-8")) | {"of_a_later_version": 1}

    assert REQUEST_JSON.validate_json(json.dumps(later)) == states()["pending"]


@pytest.mark.parametrize("click", [CLICKED, replace(CLICKED, reply=ReplyTo())])
def test_a_click_round_trips_with_its_response_url(sealer: Sealer, click: Click) -> None:
    sealed = CLICK.seal(sealer, without_url(click), PLACE)

    assert with_url(CLICK.open(sealer, sealed, PLACE)) == click


def test_a_secret_cannot_be_written_by_mistake(sealer: Sealer) -> None:
    with pytest.raises(ValueError, match="Unable to serialize") as raised:
        CLICK.seal(sealer, (CLICKED, None), PLACE)

    assert RESPONSE_URL.reveal() not in str(raised.value)
