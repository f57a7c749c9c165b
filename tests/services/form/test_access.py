"""Access that is chosen in the form: what it asks for, and what is wrong with it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.access import MOST, OFFERS, Offer, WantedBinding
from bot.domain.keys import Resource
from bot.domain.kinds import Kind
from bot.services.commands import Draft, Wish
from bot.services.form.access import ACCESS, NOT_OFFERED, names_field, offered, too_many, wanted, wishes
from tests.support.build import CLUSTER, FLINK, REGISTRY

BY_NAME = {each.name: each for each in OFFERS}
WRITE, GROUP = BY_NAME["Write topics"], BY_NAME["Use consumer groups"]
EXACT = Offer("Write one topic", "DeveloperWrite", "topic")
PLACE = f"environment={CLUSTER.environment}/cloud-cluster={CLUSTER.id}/kafka={CLUSTER.id}"


def draft(*chosen: tuple[Offer, str]) -> Draft:
    return Draft("new", access=tuple(Wish(offer.id, typed) for offer, typed in chosen))


def chosen(
    *access: tuple[Offer, str], resource: Resource = CLUSTER, offers: tuple[Offer, ...] = (*OFFERS, EXACT)
) -> tuple[list[str], dict[str, str]]:
    found, problems = wanted(draft(*access), offers, resource, is_own=False)
    return [f"{each.role} {each.scope.removeprefix(PLACE)}" for each in found], dict(problems)


def test_each_name_is_a_role_binding_and_a_name_that_is_typed_twice_is_one() -> None:
    found, problems = chosen((WRITE, "orders-, clicks.; orders-\tbilling_*"), (GROUP, "orders-"), (EXACT, "audit"))

    assert problems == {}
    assert found == [
        "DeveloperWrite /topic=orders-*",
        "DeveloperWrite /topic=clicks.*",
        "DeveloperWrite /topic=billing_*",
        "DeveloperRead /group=orders-*",
        "DeveloperWrite /topic=audit",
    ]


def test_with_a_pair_access_to_both_resources_can_be_chosen_and_with_one_key_only_its_own() -> None:
    subjects = BY_NAME["Write subjects"]
    both = draft((WRITE, "orders-"), (subjects, "orders-"))

    found, _ = wanted(both, OFFERS, CLUSTER, REGISTRY, is_own=False)
    assert [each.on for each in found] == ["topic", "subject"]
    assert found[1].scope == f"environment={REGISTRY.environment}/schema-registry={REGISTRY.id}/subject=orders-*"
    assert wishes(found, OFFERS, CLUSTER, REGISTRY) == both.access
    alone, problems = wanted(both, OFFERS, CLUSTER, is_own=False)
    assert ([each.on for each in alone], problems) == (["topic"], {})
    assert {each.on for each in offered(OFFERS, Kind.KAFKA, Kind.SCHEMA_REGISTRY, is_own=False)} == {
        "topic",
        "group",
        "subject",
    }


def test_access_that_takes_no_name_needs_none() -> None:
    assert chosen((BY_NAME["Run Flink statements"], ""), resource=FLINK) == (
        [f"FlinkDeveloper environment={FLINK.environment}"],
        {},
    )


@pytest.mark.parametrize(
    ("offer", "typed", "said"),
    [
        (WRITE, " , ", "Enter a name prefix."),
        (EXACT, "", "Enter a name."),
        (WRITE, "orders-é", "Use only a–z, A–Z, 0–9, dots, underscores and dashes, up to 249 characters."),
        (WRITE, "x" * 250, "Use only a–z, A–Z, 0–9, dots, underscores and dashes, up to 249 characters."),
        (WRITE, "orders/topic=*", "Use only a–z, A–Z, 0–9"),
        (WRITE, "orders%2Ftopic", "Use only a–z, A–Z, 0–9"),
        (EXACT, "orders-*", "“Write one topic” takes whole names, without a * at the end."),
        (EXACT, "..", "Confluent doesn't allow “.” and “..” as names."),
    ],
)
def test_a_bad_name_is_said_under_its_field_and_asks_for_nothing(offer: Offer, typed: str, said: str) -> None:
    found, problems = chosen((offer, f"{typed}"))

    assert found == []
    assert problems[names_field(offer.id)].startswith(said)


def test_what_the_list_does_not_offer_is_refused_and_not_left_out() -> None:
    stronger = replace(WRITE, role="ResourceOwner")

    assert chosen((WRITE, "orders-"), (stronger, "orders-"))[1] == {ACCESS: NOT_OFFERED}
    assert chosen((WRITE, "orders-"), offers=(GROUP,))[1] == {ACCESS: NOT_OFFERED}


def test_a_changed_entry_of_the_list_is_another_one() -> None:
    changes = (
        {"name": "Writing"},
        {"role": "DeveloperManage"},
        {"on": "group"},
        {"prefix": False},
    )

    assert len({WRITE.id, *(replace(WRITE, **each).id for each in changes)}) == len(changes) + 1


def test_there_is_a_most_to_be_asked_for() -> None:
    names = [f"orders{number}-" for number in range(MOST + 1)]

    assert chosen((WRITE, " ".join(names[:MOST])))[1] == {}
    assert chosen((WRITE, " ".join(names)))[1] == {ACCESS: too_many(11)}


def test_what_was_chosen_for_another_kind_of_key_or_before_another_account_asks_for_nothing() -> None:
    assert chosen((WRITE, "orders-"), resource=REGISTRY) == ([], {})
    assert wanted(draft((WRITE, "orders-")), OFFERS, CLUSTER, is_own=True) == ((), {})


def test_only_access_that_goes_with_the_key_is_offered() -> None:
    assert [each.name for each in offered(OFFERS, CLUSTER.kind, is_own=False)] == [
        "Read topics",
        "Write topics",
        "Use consumer groups",
    ]
    assert offered(OFFERS, CLUSTER.kind, is_own=True) == ()


names = st.from_regex(r"\A[A-Za-z0-9._-]{1,30}\Z")


@given(st.dictionaries(st.sampled_from([WRITE, GROUP]), st.lists(names, min_size=1, max_size=4), min_size=1))
def test_what_a_request_asked_for_is_chosen_again_in_its_form(typed: dict[Offer, list[str]]) -> None:
    asked, _ = wanted(draft(*((offer, ",".join(each)) for offer, each in typed.items())), OFFERS, CLUSTER, is_own=False)
    again = replace(draft(), access=wishes(asked, OFFERS, CLUSTER))

    assert wanted(again, OFFERS, CLUSTER, is_own=False) == (asked, {})
    assert wishes(asked, (), CLUSTER) == ()


def test_everything_is_chosen_again_as_everything() -> None:
    every = WantedBinding("DeveloperWrite", f"{PLACE}/topic=*")

    assert wishes([every], OFFERS, CLUSTER) == (Wish(WRITE.id, "*"),)
