"""A look that cannot be taken is a finding, too, and keeps nobody from the others."""

from collections.abc import Awaitable

import pytest

from bot.diagnosis.findings import Finding, looked, ok
from bot.domain.errors import KeyRefused, LatchkeyError, Unavailable, Undeliverable
from bot.settings import StartupError


async def ends_with(error: Exception) -> Finding:
    raise error


async def well() -> Finding:
    return ok("check", "seen")


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        (well(), ("ok", "seen", False)),
        (ends_with(StartupError("Correct it.")), ("failed", "Correct it.", False)),
        (ends_with(Unavailable("Gone.", log="GET: 503")), ("unknown", "GET: 503.", True)),
        (ends_with(KeyRefused("No.", log="GET: 401")), ("unknown", "GET: 401.", False)),
        (ends_with(KeyError("secret")), ("failed", "The check itself failed (KeyError).", False)),
    ],
)
async def test_a_look_ends_with_a_finding(look: Awaitable[Finding], expected: tuple[str, str, bool]) -> None:
    found = await looked("check", look)

    assert (found.check, found.state, found.says, found.may_pass) == ("check", *expected)


@pytest.mark.parametrize("error", [Undeliverable("gone", lasting=True)])
async def test_a_lasting_error_does_not_pass(error: LatchkeyError) -> None:
    assert not (await looked("check", ends_with(error))).may_pass
