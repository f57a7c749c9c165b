"""A week in the life of two people's keys, every step of it clicked: what they read, and what Confluent holds."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from sandbox.cast import APPROVALS_CHANNEL
from sandbox.slack.person import PersonAtClient
from tests.support.play import Play, play
from tests.support.processes import actions, audit_of
from tests.support.walks import (
    buttons_beside,
    home_of,
    ids_on,
    is_made,
    listed,
    live,
    opened,
    page_of,
    reads,
    says,
    sent,
    take,
    told,
)
from tests.support.wishes import NEW, OWN, Wish, ask, later

POLICY = """
version: 1
channel: C0APPROVE
review: {every: 7d, older_than: 90d}
rules:
  - {name: own keys live a week, match: {owner: me, operation: [create, rotate]}, approvals: 1, lifetime: 7d}
  - {name: one approval, match: {operation: [create, rotate]}, approvals: 1}
"""
OLD_LAPTOP = "DANASLAPTOP00001"
ADVICE = "Anything still using it will stop working."
"""Dana's own key that was there before Latchkey."""
WISHES = {
    "laptop": Wish(OWN, name="laptop"),
    "load test": Wish(name="load test", lifetime="1 day"),
    "clicks schemas": Wish(NEW, kind="schema-registry", cluster="lsrc-dev01", name="clicks schemas"),
    "joins": Wish(kind="ksqldb", cluster="enrichment", name="joins"),
    "statements": Wish(kind="flink", cluster="aws.us-east-1", name="statements"),
    "terraform": Wish("payments-service", kind="cloud", name="terraform"),
    "iceberg": Wish(kind="tableflow", name="iceberg"),
    "platform": Wish("payments-service", kind="global", name="platform"),
}
"""All seven scopes and all three accounts."""
BY_OLGA = {"clicks schemas", "terraform", "iceberg", "platform"}
"""What takes an OrganizationAdmin: a new account, and keys for the whole organization."""


@dataclass(slots=True)
class Week:
    """The story so far: which keys Dana has, by name."""

    it: Play
    olga: PersonAtClient
    before: set[str]
    """The keys at Confluent before the week."""
    keys: dict[str, str] = field(default_factory=dict[str, str])
    gone: set[str] = field(default_factory=set[str])

    @property
    def dana(self) -> PersonAtClient:
        """Who asks."""
        return self.it.dana

    @property
    def has(self) -> set[str]:
        """The ids of the keys that Dana has now."""
        return {OLD_LAPTOP, *self.keys.values()} - self.gone

    async def approved(self, *texts: str, by: PersonAtClient | None = None) -> None:
        """Someone approves the card that says this."""
        await (by or self.it.erin).click("Approve", beside=texts[0], in_channel=APPROVALS_CHANNEL)

    async def all_agree(self, about: str, *, shows: Iterable[str] = ()) -> None:
        """List, Home, Confluent and the page of the key that it was about tell the same; the page says `shows`."""
        assert live(self.it) == self.before | self.has
        assert set(await listed(self.dana)) == self.has
        await self.home_has(self.has)
        page = await page_of(self.dana, about)
        for text in shows:
            assert text in page

    async def home_has(self, keys: set[str]) -> None:
        """Home shows these keys and no other."""
        await home_of(self.dana)
        home = self.dana.home
        assert home is not None
        assert set(ids_on(home)) == keys

    def made_at_confluent(self, name: str) -> str:
        """The description of a key at Confluent, which ends with Latchkey's mark."""
        return self.it.stage.organization.api_keys[self.keys[name]].description


async def test_two_people_live_a_week_with_every_kind_of_key(tmp_path: Path) -> None:
    async with play(tmp_path, policy=POLICY) as it:
        week = Week(it, it.person("U0OLGA"), live(it))
        await monday_every_scope_and_every_account(week)
        await tuesday_one_is_edited_and_one_expires(week)
        await wednesday_two_are_rotated(week)
        await saturday_the_old_key_has_had_its_day_more(week)
        await sunday_a_key_is_extended_after_its_reminder(week)
        await monday_again_the_review_and_a_deletion(week)
        await the_end(week)


async def monday_every_scope_and_every_account(week: Week) -> None:
    it = week.it
    for name, wish in WISHES.items():
        await ask(it, it.dana, wish)
        await week.approved(name, by=week.olga if name in BY_OLGA else it.erin)
        week.keys[name] = await is_made(it, name)
    for name, key in week.keys.items():
        works = "Working with the Confluent API since" if name == "platform" else "Working since"
        await reads(it, it.dana, key, works)
    for name, key in week.keys.items():
        await take(it, name, key)
    owners = {name: it.stage.organization.api_keys[key].owner for name, key in week.keys.items()}
    assert owners["laptop"] == "u-dana01"
    assert it.stage.organization.service_accounts[str(owners["clicks schemas"])].name == "clicks-service"
    await week.all_agree(week.keys["laptop"], shows=("Account your own", "Expires ", "Requested by"))


async def tuesday_one_is_edited_and_one_expires(week: Week) -> None:
    it, key, short = week.it, week.keys["clicks schemas"], week.keys["load test"]
    await later(it, hours=22)
    await opened(week.dana, "show", key)
    await week.dana.click("Edit")
    await week.dana.see("Edit API key")
    await week.dana.fill(
        {"Name": "clicks subjects", "Description": "reads what clicks look like", "Reason": "a better name"}
    )
    await sent(week.dana, "Request sent.")
    await week.approved("clicks subjects", by=week.olga)
    await reads(it, week.dana, "The key was updated")
    assert week.made_at_confluent("clicks schemas").startswith("reads what clicks look like [lk:")
    await week.all_agree(key, shows=("clicks subjects", "reads what clicks look like"))
    assert "[lk:" not in await page_of(week.dana, key)
    assert told(week.dana, f"you saved the secret for key {key}", "(clicks subjects)")

    await later(it, hours=1, minutes=10)
    await reads(it, week.dana, short, "expires", ADVICE)
    assert "Extend" in buttons_beside(week.dana, short, ADVICE)
    await later(it, hours=1)
    await reads(it, week.dana, short, "expired and was deleted")
    week.gone.add(short)
    await week.all_agree(week.keys["joins"], shows=("Expires never",))
    assert "no longer exists in Confluent Cloud: it was deleted" in await page_of(week.dana, short)


async def wednesday_two_are_rotated(week: Week) -> None:
    it = week.it
    await later(it, hours=24)
    for name in ("joins", "statements"):
        old = week.keys[name]
        await opened(week.dana, "rotate", old)
        await week.dana.fill(
            {"Name of the new key": f"new {name}", "Keep the old key for": "2 days", "Reason": "every quarter"}
        )
        await sent(week.dana, "Request sent.")
        await week.approved(f"new {name}")
        new = week.keys[f"new {name}"] = await is_made(it, f"new {name}")
        await reads(it, week.dana, new, "Working since")
        await take(it, f"new {name}", new)
        await week.dana.wait_for(lambda old=old, new=new: told(week.dana, new, f"The old key {old} still works."))  # type: ignore[misc]
        await week.all_agree(old, shows=("Requested by",))

    joins, statements = week.keys["new joins"], week.keys["new statements"]
    await week.dana.click("Keep 1 more day", beside=joins, in_channel=week.dana.dm)
    await week.dana.see("is kept until ")
    await later(it, hours=24)  # Thursday
    await week.dana.click("Delete old key now", beside=statements, in_channel=week.dana.dm)
    await week.dana.see("is being deleted. Anything still using it stops working now.")
    await reads(it, week.dana, f"The old key {week.keys['statements']}", "was deleted", statements)
    week.gone.add(week.keys["statements"])
    await week.all_agree(statements)


async def saturday_the_old_key_has_had_its_day_more(week: Week) -> None:
    it, old = week.it, week.keys["joins"]
    await later(it, hours=30)  # two days and six hours after the new secret was shown
    await week.all_agree(old)
    await later(it, hours=18)
    await reads(it, week.dana, f"The old key {old}", "was deleted", week.keys["new joins"])
    week.gone.add(old)
    await week.all_agree(week.keys["new joins"])


async def sunday_a_key_is_extended_after_its_reminder(week: Week) -> None:
    it, key = week.it, week.keys["laptop"]
    made = it.stage.organization.api_keys[key].created_at
    await later(it, seconds=(made + timedelta(days=6, hours=1) - it.stage.clock.now()).total_seconds())
    await reads(it, week.dana, key, "expires", ADVICE)
    await week.dana.click("Extend", beside=ADVICE, in_channel=week.dana.dm)
    await week.dana.see("New expiration")
    await week.dana.fill({"Reason": "the tests go on"})
    await sent(week.dana, "Request sent.")
    await it.erin.wait_for(lambda: "7 days after approval" in says(it.cards()[-1]), "the card")
    await week.approved("the tests go on")
    await reads(it, week.dana, "The key was extended")
    await later(it, hours=24)  # past its former end
    assert sum(f"{ADVICE} Extend it" in says(each) for each in week.dana.messages()) == 1
    await week.all_agree(key, shows=("Expires ",))


async def monday_again_the_review_and_a_deletion(week: Week) -> None:
    it, iceberg = week.it, week.keys["iceberg"]
    digest = await reads(it, week.dana, "API key to review", OLD_LAPTOP)
    assert "existed before Latchkey" in digest
    assert not any(key in digest for key in week.keys.values())
    await week.dana.click("Keep for now", beside=OLD_LAPTOP, in_channel=week.dana.dm)
    await week.dana.fill({"Reason": "My laptop still uses it."})
    await sent(week.dana, "Latchkey will ask again")
    await reads(it, week.dana, "Nothing to do until the next review.", "My laptop still uses it.")
    await week.all_agree(OLD_LAPTOP, shows=("Not managed by Latchkey",))

    said = await opened(week.dana, "delete", iceberg)
    assert "every application using this key will stop working. This is permanent" in said
    await week.dana.fill({"word": "confirm", "Reason": "the tables moved"})
    assert "CONFIRM" in (await week.dana.submit())["word"]
    await week.dana.fill({"word": "CONFIRM", "Reason": "the tables moved"})
    await sent(week.dana, "Request sent.")
    await week.approved("the tables moved", by=week.olga)
    await reads(it, week.dana, "The key was deleted")
    week.gone.add(iceberg)
    await week.all_agree(week.keys["platform"], shows=("Global",))


async def the_end(week: Week) -> None:
    it = week.it
    assert live(it) == week.before | {
        week.keys[name] for name in ("laptop", "clicks schemas", "new joins", "new statements", "terraform", "platform")
    }
    lines = actions(await audit_of(it.stage))
    assert [lines.count(each) for each in ("key:created", "secret:shown", "key:edited", "key:extended")] == [
        10,
        10,
        1,
        1,
    ]
    assert says(week.dana.modal) == ""
    assert week.dana.notices == []
