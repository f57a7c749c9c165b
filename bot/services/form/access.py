"""The access that can be chosen in the form, and the role bindings that follow from the choice. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from bot.domain.access import EVERYTHING, MOST, Offer, WantedBinding, names_in
from bot.domain.keys import Resource
from bot.domain.kinds import Kind
from bot.services.commands import Draft, Wish

ACCESS, NAMES = "access", "names"
"""The fields: what is chosen, and the names for one of these, as `names:ID`."""
TYPED = 2600
"""Characters of the names for one entry: as many as the longest names that one request can have."""
NOT_OFFERED = "Some of the access you chose is no longer offered. Choose again."


def offered(offers: Iterable[Offer], *kinds: Kind, is_own: bool) -> Sequence[Offer]:
    """What can be chosen with keys of these kinds; nothing for people's own accounts, which have roles of their own."""
    return () if is_own else [each for each in offers if each.kind in kinds]


def too_many(count: int) -> str:
    """The sentence for more role bindings than one request may have: one for each role and name."""
    return f"Choose at most {MOST} roles and names in one request. You have {count}."


def names_field(offer: str) -> str:
    """The field for the names that go with an entry, by its id."""
    return f"{NAMES}:{offer}"


def wanted(
    draft: Draft, offers: Sequence[Offer], *resources: Resource, is_own: bool
) -> tuple[tuple[WantedBinding, ...], Mapping[str, str]]:
    """The role bindings that were chosen, and what is wrong with the choice, by field.

    `resources` is what the keys of the request open: one, or the two of a pair. Choices for keys of another kind, which
    the form doesn't show, don't count.
    """
    problems, found = dict[str, str](), dict[WantedBinding, None]()
    known, opened = {each.id: each for each in offers}, {each.kind: each for each in resources}
    for wish in () if is_own else draft.access:
        offer = known.get(wish.offer)
        if offer is None:
            problems[ACCESS] = NOT_OFFERED
        elif (resource := opened.get(offer.kind)) is not None:
            try:
                found.update(dict.fromkeys(_bindings(offer, wish, resource)))
            except ValueError as error:
                problems[names_field(offer.id)] = str(error)
    if len(found) > MOST:
        problems[ACCESS] = too_many(len(found))
    return tuple(found), problems


def _bindings(offer: Offer, wish: Wish, resource: Resource) -> Sequence[WantedBinding]:
    if not offer.takes_name:
        return [offer.wanted(resource)]
    names = names_in(wish.typed)
    if not names:
        raise ValueError("Enter a name prefix." if offer.prefix else "Enter a name.")
    return [offer.wanted(resource, each) for each in names]


def wishes(bindings: Iterable[WantedBinding], offers: Sequence[Offer], *resources: Resource) -> tuple[Wish, ...]:
    """What to choose in the form to get these role bindings, as far as they are still offered."""
    typed = dict[str, list[str]]()
    for each in bindings:
        if (offer := next((offer for offer in offers if offer.offers(each, resources)), None)) is not None:
            name = each.name if each.is_for_everything else each.name.removesuffix(EVERYTHING)
            typed.setdefault(offer.id, []).extend([name] if offer.takes_name else [])
    return tuple(Wish(offer, ", ".join(names)) for offer, names in typed.items())
