"""The teams of a policy file: names for people and places, which rules use as `team:NAME`."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from bot.domain.conditions import Party
from bot.domain.kinds import PLACED, Kind
from bot.domain.policy import RoleMapping
from bot.policyfile.model import TeamPart
from bot.policyfile.tree import KeyPath
from bot.policyfile.words import shown

PREFIX = "team:"
_ELEMENTS = {kind.row.element: kind for kind in PLACED}


@dataclass(slots=True)
class Teams:
    """The teams in the file. Looking up words adds to `complaints` and `used`."""

    parts: Sequence[TeamPart]
    complaints: list[tuple[KeyPath, str]] = field(default_factory=list[tuple[KeyPath, str]])
    used: set[str] = field(default_factory=set[str])

    def __post_init__(self) -> None:
        seen = set[str]()
        for index, part in enumerate(self.parts):
            if part.name in seen:
                self._wrong(
                    ("teams", index, "name"), f"{shown(part.name)} is also the name of another team: rename one"
                )
            seen.add(part.name)
            if part.role and not (part.members and part.scopes):
                missing = "members" if not part.members else "scopes"
                self._wrong(("teams", index, "role"), f"has no effect without `{missing}`: add them, or leave it out")
            if part.until and not part.role:
                self._wrong(("teams", index, "until"), "has no effect without `role`: leave it out")

    def spelled_out(self, words: Iterable[str], key: str, place: KeyPath) -> tuple[str, ...]:
        """These words of a rule's key, each once, with teams replaced by what they stand for."""
        return tuple(dict.fromkeys(each for word in words for each in self._meant(word, key, place)))

    def party(self, word: str, place: KeyPath) -> Party:
        """The people whom a word of `one_of` stands for."""
        ids = tuple(sorted(set(self._meant(word, "by", place))))
        return Party(ids, word.removeprefix(PREFIX) if word.startswith(PREFIX) else "")

    @property
    def groups(self) -> frozenset[str]:
        """The user groups that are members of teams."""
        return frozenset(each for part in self.parts for each in part.members if each.startswith("S"))

    def _meant(self, word: str, key: str, place: KeyPath) -> Iterable[str]:
        if not word.startswith(PREFIX):
            return (word,)
        name = word.removeprefix(PREFIX)
        part = next((each for each in self.parts if each.name == name), None)
        if part is None:
            self._wrong(place, f"there is no team {shown(name)}: add it under `teams`, or use IDs")
            return ()
        self.used.add(name)
        found = part.members if key in _OF_PEOPLE else [*_named(part, key)]
        if not found:
            self._wrong(place, f"the team {shown(name)} has {_MISSING[key]}: add some, or use IDs")
        elif key == "cluster" and any(_is_region(each) for each in found):
            self._wrong(
                place, f"the team {shown(name)} has Flink regions, which every environment has: use `environment`"
            )
        return found

    def mappings(self) -> Iterator[tuple[RoleMapping, KeyPath]]:
        """The roles that teams give their members, and the place in the file of each."""
        for index, part in enumerate(self.parts):
            for member in part.members if part.role else ():
                for scope in part.scopes:
                    yield RoleMapping(member, part.role or "", scope, part.until), ("teams", index)

    def _wrong(self, place: KeyPath, text: str) -> None:
        self.complaints.append((place, text))


_OF_PEOPLE = ("by", "notify", "team")
_MISSING = {
    **dict.fromkeys(_OF_PEOPLE, "no members"),
    "environment": "no environments",
    "cluster": "no clusters among its scopes",
    "owner": "no service accounts among its scopes",
}


def _named(part: TeamPart, key: str) -> Iterator[str]:
    """A team's environments, or the IDs of the clusters or service accounts in its scopes."""
    yield from part.environments if key == "environment" else ()
    for scope in part.scopes:
        element, _, id_ = scope.split("/")[-1].partition("=")
        if (key == "environment" and element == "environment") or (key == "owner" and element == "service-account"):
            yield id_
        if key == "cluster" and element in _ELEMENTS:
            yield id_


def _is_region(id_: str) -> bool:
    return Kind.of_id(id_) is None
