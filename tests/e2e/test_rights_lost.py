"""Latchkey's own account loses its rights: Confluent then shows it less, without a sign, and nothing counts as gone."""

from pathlib import Path

from sandbox.cast import BOT_PRINCIPAL, crn
from tests.support.play import Play, play
from tests.support.walks import live, obtain, reads
from tests.support.wishes import Wish


async def test_a_panel_takes_the_roles_of_latchkey_and_of_people_and_gives_them_back(tmp_path: Path) -> None:
    async with play(tmp_path) as it:
        key = await obtain(it, Wish(name="short", lifetime="1 day"))
        await it.ask("not hers to decide")
        it.stage.faults.set("roles_lost", "Erin Castellanos")
        await it.approve()
        await it.erin.see("Your Confluent roles don't cover this key")

        it.stage.faults.set("roles_lost", "Latchkey")
        await it.approve()
        await it.erin.see("Latchkey may see only part of your Confluent Cloud organization")
        it.advance(hours=25)
        await reads(it, it.dana, key, "couldn't be deleted yet")
        await it.dana.command(f"/apikey show {key}")
        await it.dana.see("Ask your Latchkey administrator: its service account needs OrganizationAdmin.")
        await it.dana.close(everything=True)

        it.stage.faults.reset()
        await reads(it, it.dana, key, "was deleted", step=30)
        assert key not in live(it)


def demote(it: Play) -> None:
    """From now on the bot administers one environment, in which there are none of the keys here."""
    organization = it.stage.organization
    held = [id_ for id_, each in organization.role_bindings.items() if each.principal == BOT_PRINCIPAL]
    for id_ in held:
        del organization.role_bindings[id_]
    organization.bind(BOT_PRINCIPAL, "EnvironmentAdmin", crn("environment=env-prod01"))


async def test_a_key_that_confluent_does_not_show_to_a_latchkey_without_rights_is_not_said_to_be_deleted(
    tmp_path: Path,
) -> None:
    async with play(tmp_path) as it:
        key = await obtain(it, Wish(name="short", lifetime="1 day"))
        demote(it)
        it.advance(hours=25)

        await reads(it, it.dana, key, "couldn't be deleted yet")
        assert key in live(it)

        it.stage.organization.bind(BOT_PRINCIPAL, "OrganizationAdmin", crn(""))
        await reads(it, it.dana, key, "was deleted", step=30)
        assert key not in live(it)
