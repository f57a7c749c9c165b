"""The keys that a person can see, page by page, read owner by owner: a page costs the same however many keys there are.

The person's own keys come first, then those of service accounts by name. In a search, accounts whose name or ID matches
come first. A page ends when it's full, or when it has looked through many accounts: then it says so, and the next page
continues from there. Confluent doesn't sort, so ordering by age or expiration covers only the first accounts' keys.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, TypeVar

from bot.domain.authority import HeldRoles, Target, accounts_in_sight, may_see
from bot.domain.catalog import Environment
from bot.domain.errors import CloudRefused, Unavailable, counted, plain
from bot.domain.keys import ApiKey, KeyId, Marker, MyAccount, Owner, Principal
from bot.domain.requests import Keyed
from bot.services.browse.key import MOST_ASKED, KeyViews
from bot.services.catalog.cache import CatalogCache
from bot.services.catalog.index import CatalogIndex
from bot.services.pages import EXPIRING, NEWEST, ORDERS, Filters, KeysPage, Replacement, end_of, replacements
from bot.services.ports.cloud import Cloud
from bot.services.ports.store import Requests

PAGE = 8
"""Keys on one page."""
MOST_OWNERS = 24
"""How many accounts one page looks through."""
WHOLE = 8
"""Up to this many accounts, each page reads all their keys, so that it can say how many there are."""
AT_ONCE = 4
ME = "me"
"""In a filter, the person's own account."""
Position: TypeAlias = tuple[int, int]
"""The index of an owner in the person's order, and of a key among this owner's keys that match the filters."""
START: Position = (0, 0)
Rank: TypeAlias = tuple[int, str]
"""A Unix time in seconds, negated if the newest keys come first, and the ID of the key, which makes it unique."""
Place = TypeVar("Place", Position, Rank)


@dataclass(frozen=True, slots=True)
class KeyLists:
    """Lists of keys."""

    key_views: KeyViews
    catalog: CatalogCache
    cloud: Cloud
    requests: Requests

    async def page(self, held_roles: HeldRoles, filters: Filters, cursor: str = "") -> KeysPage:
        """One page; the first if the account that the cursor names is gone.

        Raises `Unavailable` and `CloudRefused`, but not if only some accounts can't be read.
        """
        look = await self._look(held_roles, filters)
        found = await look.page(cursor)
        views = [await self.key_views.view_of(key, held_roles, look.catalog) for key in found.keys]
        shown = [replace(view, replaced=look.replaced.get(view.key.id)) for view in views if view is not None]
        return replace(look.described(found), views=shown)

    async def _look(self, held_roles: HeldRoles, filters: Filters) -> "_Look":
        catalog, person = await self.catalog.index(), held_roles.person
        stored = await self.requests.of_requester(person.slack, MOST_ASKED)
        asked = {each.value.key.id: each.value for each in stored if isinstance(each.value, Keyed)}
        others = {each.id: each for each in accounts_in_sight(held_roles, catalog.accounts.values())}
        owners: dict[Principal, Owner] = {**others}
        for request in asked.values():
            if request.key.owner:
                owners[request.key.owner] = catalog.owner(request.key.owner)
        owners.pop(person.principal, None)
        ordered = [MyAccount(person.principal), *sorted(owners.values(), key=lambda each: _order(each, filters.text))]
        wanted = person.principal if filters.owner == ME else filters.owner
        chosen = tuple(each for each in ordered if wanted in {"", each.id})
        order = filters.order if filters.order in ORDERS else ""
        filters = replace(filters, owner=wanted, order=order)
        replaced = replacements(each.value for each in stored)
        return _Look(self.key_views, self.cloud, held_roles, filters, catalog, chosen, asked, replaced)


@dataclass(frozen=True, slots=True)
class _Found:
    """The keys of one page, and the cursors of the next and the previous one; "" if there is none."""

    keys: Sequence[ApiKey]
    next_page: str
    previous_page: str
    unread: Sequence[Owner]
    pause: str = ""
    """What to say about a page that ended before it was full; "" if it didn't."""
    partly: Sequence[Owner] = ()
    """Owners some of whose keys couldn't be read."""
    total: int | None = None
    looked: int = 0


@dataclass(frozen=True, slots=True)
class _Look:
    """One pass through the keys of the owners that a person can see."""

    key_views: KeyViews
    cloud: Cloud
    held_roles: HeldRoles
    filters: Filters
    catalog: CatalogIndex
    owners: Sequence[Owner]
    asked: Mapping[KeyId, Keyed]
    replaced: Mapping[KeyId, Replacement]

    async def page(self, cursor: str) -> _Found:
        """The page at a cursor, or the first page if the cursor is malformed."""
        if self.filters.order:
            return await self._ranked(cursor)
        is_back, place = self._place(cursor)
        if len(self.owners) <= WHOLE:
            unread, partly = list[Owner](), list[Owner]()
            return self._cut(await self._all(WHOLE, unread, partly), is_back, place, unread, partly)
        return await (self._before(place) if is_back else self._after(place))

    async def _ranked(self, cursor: str) -> _Found:
        """A page of the first accounts' keys by age or expiration. Each page reads all of these keys."""
        unread, partly = list[Owner](), list[Owner]()
        keys = [key for _, key in await self._all(MOST_OWNERS, unread, partly)]
        ranked = sorted([(await self._rank(key), key) for key in keys], key=lambda each: each[0])
        parts = _parts(cursor)
        is_back, rank = (parts[0] == _BACK, (parts[1], parts[2])) if parts else (False, _FIRST)
        return self._cut(ranked, is_back, rank, unread, partly)

    def _cut(
        self,
        placed: Sequence[tuple[Place, ApiKey]],
        is_back: bool,  # noqa: FBT001 - as a cursor has it
        place: Place,
        unread: Sequence[Owner],
        partly: Sequence[Owner],
    ) -> _Found:
        """The page of these keys that begins at a place, or, if `is_back`, ends before it."""
        begin = sum(each[0] < place for each in placed)
        begin = max(begin - PAGE, 0) if is_back else begin
        page, rest = placed[begin : begin + PAGE], placed[begin + PAGE : begin + PAGE + 1]
        return _Found(
            [key for _, key in page],
            self._cursor(_AHEAD, rest[0][0]) if rest else "",
            self._cursor(_BACK, page[0][0] if page else place) if begin else "",
            unread,
            partly=partly,
            total=len(placed),
            looked=min(len(self.owners), MOST_OWNERS),
        )

    async def _rank(self, key: ApiKey) -> Rank:
        """A key's rank in the chosen order. Keys without a known time, or that don't expire, come last."""
        ends = self.filters.order == EXPIRING
        at = end_of(key, await self.key_views.maker(key)) if ends else key.created_at
        seconds = int(at.timestamp()) if at else _LAST
        return (-seconds if self.filters.order == NEWEST and at else seconds), key.id

    async def _all(self, most: int, unread: list[Owner], partly: list[Owner]) -> list[tuple[Position, ApiKey]]:
        """The keys of the first `most` owners, each with its position. Adds to `unread` and `partly`."""
        most = min(most, len(self.owners))
        batches = [await self._batch(low, min(low + AT_ONCE, most), unread, partly) for low in range(0, most, AT_ONCE)]
        return [each for batch in batches for each in batch]

    async def _after(self, start: Position) -> _Found:
        """The page that begins at a position."""
        found: list[tuple[Position, ApiKey]] = []
        unread, partly = list[Owner](), list[Owner]()
        owner = start[0]
        while owner < len(self.owners) and len(found) <= PAGE and owner - start[0] < MOST_OWNERS:
            found += [each for each in await self._batch(owner, owner + AT_ONCE, unread, partly) if each[0] >= start]
            owner += AT_ONCE
        rest = found[PAGE][0] if len(found) > PAGE else (owner, 0) if owner < len(self.owners) else None
        pause = _pause(owner - start[0], "Next") if rest and len(found) < PAGE else ""
        following = self._cursor(_AHEAD, rest) if rest else ""
        previous = self._cursor(_BACK, start) if start > START else ""
        return _Found([key for _, key in found[:PAGE]], following, previous, unread, pause, partly)

    async def _before(self, end: Position) -> _Found:
        """The page that ends before a position, or the first page if there are too few keys before it."""
        found: list[tuple[Position, ApiKey]] = []
        unread, partly = list[Owner](), list[Owner]()
        owner = end[0] + 1
        while owner > 0 and len(found) < PAGE and end[0] - owner < MOST_OWNERS:
            low = max(owner - AT_ONCE, 0)
            found = [each for each in await self._batch(low, owner, unread, partly) if each[0] < end] + found
            owner = low
        if len(found) < PAGE and owner == 0:
            return await self._after(START)
        is_full = len(found) >= PAGE
        pause = "" if is_full else _pause(end[0] + 1 - owner, "Previous")
        start = found[-PAGE][0] if is_full else (owner, 0)
        previous = self._cursor(_BACK, start) if start > START else ""
        keys = [key for _, key in found[-PAGE:]]
        return _Found(keys, self._cursor(_AHEAD, end), previous, unread, pause, partly)

    def _place(self, cursor: str) -> tuple[bool, Position]:
        """Whether a cursor means the page before its position, and that position; the start if it's malformed."""
        way, offset, owner = _parts(cursor) or ("", 0, "")
        number = next((index for index, each in enumerate(self.owners) if each.id == owner), None)
        if number is None or not way or offset < 0:
            return False, START
        return way == _BACK, (number, offset)

    def described(self, found: _Found) -> KeysPage:
        """The page, still without its keys."""
        owner = next((each for each in self.owners if each.id == self.filters.owner), None)
        name = self.catalog.environments.get(self.filters.environment, self.filters.environment)
        return KeysPage(
            [],
            self.filters,
            found.next_page,
            found.previous_page,
            self._note(found),
            _shown(owner, self.held_roles) if owner else "",
            Environment(self.filters.environment, name) if self.filters.environment else None,
            found.total,
            found.looked,
            len(self.owners),
        )

    def _cursor(self, way: str, place: Position | Rank) -> str:
        number, text = place
        return f"{way}|{number}|{text}" if isinstance(text, str) else f"{way}|{text}|{self.owners[number].id}"

    def _note(self, found: _Found) -> str:
        notes = [found.pause] if found.pause else []
        if not self.owners:
            notes.append("You can't see this account's keys.")
        if found.unread:
            notes.append(f"Couldn't load the keys of {self._named(found.unread)}. Try again in a minute.")
        if found.partly:
            notes.append(f"Some keys of {self._named(found.partly)} couldn't be read and aren't listed here.")
        if self.filters.order and len(self.owners) > MOST_OWNERS:
            notes.append(
                f"Only the keys of the first {MOST_OWNERS} of {len(self.owners):,} accounts are sorted. "
                "Choose an account to sort its keys."
            )
        return " ".join(notes)

    def _named(self, owners: Sequence[Owner]) -> str:
        names = ", ".join(plain(_shown(each, self.held_roles))[:_NAME] for each in owners[:_NAMED])
        return f"{names} and {len(owners) - _NAMED} more" if len(owners) > _NAMED else names

    async def _batch(
        self, low: int, high: int, unread: list[Owner], partly: list[Owner]
    ) -> list[tuple[Position, ApiKey]]:
        """The keys of some owners, each with its position. Raises the first error if none of them can be read."""
        batch = self.owners[low:high]
        answers = await asyncio.gather(*(self._keys(owner) for owner in batch))
        errors = [each for each in answers if isinstance(each, Exception)]
        if errors and len(errors) == len(batch):
            raise errors[0]
        found: list[tuple[Position, ApiKey]] = []
        for number, (owner, keys) in enumerate(zip(batch, answers, strict=True), low):
            if isinstance(keys, Exception):
                unread.append(owner)
            else:
                shown, left_out = keys
                found += [((number, index), key) for index, key in enumerate(shown)]
                if left_out:
                    partly.append(owner)
        return found

    async def _keys(self, owner: Owner) -> tuple[Sequence[ApiKey], int] | Unavailable | CloudRefused:
        """The keys of one owner that match and that the person can see, by name, and how many couldn't be read."""
        try:
            keys, left_out = await self.cloud.keys_shown(owner.id)
        except (Unavailable, CloudRefused) as error:
            return error
        return sorted(filter(self._passes, keys), key=lambda each: (each.name.casefold(), each.id)), left_out

    def _passes(self, key: ApiKey) -> bool:
        target = self.catalog.target(key)
        return (
            target is not None
            and may_see(self.held_roles, target, self.asked.get(key.id))
            and self.filters.kind in {"", key.kind}
            and self.filters.environment in {"", target.resource.environment}
            and self._says(key, target)
        )

    def _says(self, key: ApiKey, target: Target) -> bool:
        wanted, resource = self.filters.text.strip().casefold(), target.resource
        owner = (_shown(target.owner, self.held_roles), target.owner.id)
        said = (key.name, key.id, Marker.without(key.description), *owner)
        return not wanted or any(wanted in each.casefold() for each in (*said, resource.name, resource.id))


def _pause(looked: int, on: str) -> str:
    return f"Searched {counted(looked, 'account')} for this page. Select *{on}* to search more."


def _shown(owner: Owner, held_roles: HeldRoles) -> str:
    """The name of an owner as shown to the person."""
    if owner.id == held_roles.person.principal:
        return held_roles.person.name
    return owner.id if isinstance(owner, MyAccount) else owner.name or owner.id


def _order(owner: Owner, text: str) -> tuple[bool, str, str]:
    """Sorts owners: those that match the search first, then by name."""
    name, wanted = "" if isinstance(owner, MyAccount) else owner.name.casefold(), text.strip().casefold()
    return bool(wanted) and wanted not in name and wanted not in owner.id.casefold(), name, owner.id


def _parts(cursor: str) -> tuple[str, int, str] | None:
    """The parts of a cursor: direction, number and ID; None if it's malformed."""
    way, _, rest = cursor.partition("|")
    number, _, name = rest.partition("|")
    return (way, int(number), name) if way in _WAYS and _NUMBER.fullmatch(number) else None


_AHEAD, _BACK = "a", "b"
_WAYS = frozenset({_AHEAD, _BACK})
_NUMBER = re.compile(r"-?[0-9]{1,12}")
_LAST = 10**11
_FIRST: Rank = (-_LAST, "")
_NAMED, _NAME = 3, 100
