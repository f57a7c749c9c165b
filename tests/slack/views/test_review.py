"""The modals of the review: what can be done with each key, and the form that keeps the keys it names and no others."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.keys import KeyId, Operation, Principal
from bot.services.commands import CardAt, KeepShown
from bot.services.pages import KeyView
from bot.slack.payloads import ids
from bot.slack.views import review
from sandbox.slack.limits import check_view
from tests.support import build
from tests.support import given as some
from tests.support.build import ACCOUNT, CLUSTER, DAY

few = settings(max_examples=30)
places = st.none() | st.builds(CardAt, some.ids, some.ids)
VIEW = KeyView(build.a_key(marker=""), ACCOUNT, "orders", CLUSTER, age=100 * DAY)


def options(view: Any) -> list[list[str]]:
    """What the menu beside each key offers."""
    menus = [each["accessory"] for each in view["blocks"] if "accessory" in each]
    return [[option["value"] for option in menu["options"]] for menu in menus]


@few
@given(some.texts, places)
def test_the_reason_is_asked_for_in_a_modal_that_knows_the_key_and_the_message(key: str, at: CardAt | None) -> None:
    view = review.keep_form(KeyId(key[:64]), at)

    check_view(view, "modal")
    assert review.kept_key(view["private_metadata"]) == (key[:64], at)


@few
@given(st.lists(some.ids, min_size=1, max_size=90, unique=True), places)
def test_the_form_for_several_keys_names_those_that_it_keeps(keys: list[str], at: CardAt | None) -> None:
    view = review.keep_shown_form(ACCOUNT.id, [KeyId(each) for each in keys], at)
    deed = review.kept_shown(view["private_metadata"], "needed")

    check_view(view, "modal")
    assert deed == KeepShown(ACCOUNT.id, tuple(KeyId(each) for each in keys[: len(deed.keys)]), "needed", at)
    named = view["blocks"][1 - 1]["elements"][0]["elements"]
    assert [each["text"] for each in named if each.get("style", {}).get("code")] == list(deed.keys)


def test_as_many_keys_are_kept_as_a_view_can_remember() -> None:
    keys = [KeyId(f"{number:064}") for number in range(90)]

    view = review.keep_shown_form(ACCOUNT.id, keys, CardAt("C01", "1.0"))

    kept = review.kept_shown(view["private_metadata"], "needed").keys
    assert kept == tuple(keys[: len(kept)])
    assert 40 < len(kept) < 90
    assert f"These {len(kept)} API keys stay as they are:" in str(view["blocks"])


def test_the_form_calls_keys_by_the_names_that_are_known() -> None:
    names = {KeyId("KEY0000000000001"): "orders"}

    view = review.keep_shown_form(ACCOUNT.id, [KeyId(f"KEY000000000000{n}") for n in (1, 2)], None, names=names)

    row = view["blocks"][0]["elements"][0]["elements"]
    assert "orders KEY0000000000001, KEY0000000000002" in "".join(each["text"] for each in row)


def test_the_form_for_one_key_calls_it_by_its_name() -> None:
    key = KeyId("KEY0000000000001")
    for name, said in (
        ("orders", "orders  KEY0000000000001 stays as it is."),
        ("", "Key KEY0000000000001 stays as it is."),
    ):
        for view in (
            review.keep_form(key, None, name),
            review.keep_shown_form(ACCOUNT.id, [key], None, "", {key: name}),
        ):
            row = view["blocks"][0]["elements"][0]["elements"]
            assert "".join(each["text"] for each in row) == said


@pytest.mark.parametrize("metadata", ["", "[]", "{}", "nonsense", '{"keys": 1}'])
def test_what_cannot_be_read_keeps_no_key(metadata: str) -> None:
    assert review.kept_shown(metadata, "needed") == KeepShown(Principal(""), (), "needed")
    assert review.kept_key(metadata) == ("", None)


def test_the_reason_for_keys_from_before_latchkey_is_filled_in() -> None:
    view = review.keep_shown_form(ACCOUNT.id, [KeyId("KEY0000000000001")], None, review.BASELINE)

    assert view["blocks"][1]["element"]["initial_value"] == "Existed before Latchkey"
    assert (view["title"]["text"], view["submit"]["text"]) == ("Keep this API key", "Keep")


@pytest.mark.parametrize(
    ("may", "expected"),
    [
        ((Operation.EDIT, Operation.ROTATE, Operation.DELETE), [ids.KEY_KEEP, ids.KEY_ROTATE, ids.KEY_DELETE]),
        ((Operation.DELETE,), [ids.KEY_KEEP, ids.KEY_DELETE]),
        ((), [ids.KEY_KEEP]),
    ],
)
def test_a_menu_offers_what_the_reader_may_do(may: tuple[Operation, ...], expected: list[str]) -> None:
    drawn = review.keys_to_review([replace(VIEW, may=frozenset(may))], 0)

    assert options(drawn) == [[ids.folded(each, VIEW.key.id) for each in (*expected, ids.KEY_DETAILS)]]


def test_keys_that_the_reader_cannot_see_are_counted() -> None:
    assert "1 more was deleted, or you don't have access to it." in str(review.keys_to_review([VIEW], 1))
    assert "2 more were deleted, or you don't have access to them." in str(review.keys_to_review([VIEW], 2))
    assert "No API keys" in str(review.keys_to_review([], 2))


@few
@given(st.text(max_size=3000), st.integers(1, 90))
def test_slack_takes_a_list_of_any_length(text: str, number: int) -> None:
    view = replace(VIEW, key=replace(VIEW.key, name=text), owner_name=text, may=frozenset(Operation))

    check_view(review.keys_to_review([view] * number, 3), "modal")
