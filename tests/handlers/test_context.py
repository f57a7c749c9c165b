"""Of two clicks in a form the later one is what stands there, whichever of them takes longer to draw."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

import handlers
from bot.domain.catalog import Catalog
from bot.domain.errors import Unavailable
from bot.services.catalog.cache import CatalogCache
from bot.slack.payloads import ids
from tests.handlers.lobby import Acks, App, Lobby, a_lobby, in_modal, pressed
from tests.support.processes import until

OLDER, NEWER = ("1700000000.000001", "me"), ("1700000000.000002", "service-account")
"""When Slack took a click, and the account that it chose."""


def chosen(at: str, owner: str) -> Mapping[str, Any]:
    """A choice among the kinds of account in the form."""
    option = {ids.FORM_OWNER: {"selected_option": {"value": owner}, "type": "radio_buttons"}}
    body = in_modal(pressed(ids.FORM_OWNER, action_ts=at), owner=option, metadata="{}")
    return {**body, "trigger_id": at}


async def choose(app: App, click: tuple[str, str]) -> None:
    """Click, as Slack tells this process."""
    acks, listener = Acks(), app.listeners["action", ids.FORM_OWNER]
    await listener(ack=acks, body=chosen(*click))
    assert acks.said == [{}]


def a_process(it: Lobby, **services: Any) -> App:
    """The same listeners once more, which know nothing of what others do but what is in the store."""
    app = App()
    handlers.register(cast("Any", app), replace(it.context, **services))
    return app


@dataclass(frozen=True, slots=True)
class SlowAtFirst:
    """A catalog at which the first look takes until the event is set."""

    catalogs: CatalogCache
    go: asyncio.Event = field(default_factory=asyncio.Event)
    looks: Iterator[bool] = field(default_factory=lambda: iter([True]))

    async def current(self) -> Catalog | None:
        """What there is to choose from."""
        if next(self.looks, False):
            await self.go.wait()
        return await self.catalogs.current()


@pytest.mark.parametrize("processes", [1, 2])
async def test_the_older_click_does_not_win_because_it_takes_longer(processes: int) -> None:
    async with a_lobby() as it:
        slow = SlowAtFirst(it.context.catalogs)
        app = a_process(it, catalogs=slow)
        await choose(app, OLDER)
        await choose(app if processes == 1 else it.app, NEWER)
        await until(lambda: owners(it), "the form is drawn")
        slow.go.set()

    assert owners(it) == ["service-account"]


@pytest.mark.parametrize("processes", [1, 2])
async def test_the_older_click_does_not_win_because_it_is_told_later(processes: int) -> None:
    async with a_lobby() as it:
        await choose(it.app, NEWER)
        await until(lambda: owners(it), "the form is drawn")
        await choose(it.app if processes == 1 else a_process(it), OLDER)

    assert owners(it) == ["service-account"]


async def test_the_newer_click_is_drawn_over_the_older_one_though_the_modal_has_changed_since() -> None:
    async with a_lobby() as it:
        await choose(it.app, OLDER)
        await until(lambda: owners(it), "the form is drawn")
        await choose(a_process(it), NEWER)

    assert owners(it) == ["me", "service-account"]


async def test_without_a_store_the_form_is_drawn_all_the_same() -> None:
    async with a_lobby() as it:
        closed = a_process(it, cache=Closed())
        await choose(closed, OLDER)
        await until(lambda: owners(it), "the form is drawn")
        await choose(closed, NEWER)

    assert owners(it) == ["me", "service-account"]


class Closed:
    """A cache that can't be reached."""

    async def get(self, *_: object) -> None:
        raise Unavailable("Latchkey's store didn't answer.")

    async def put(self, *_: object, **__: object) -> None:
        raise Unavailable("Latchkey's store didn't answer.")


def owners(it: Lobby) -> list[str]:
    """The kind of account in the form each time that it was drawn."""
    drawn = [each for view in it.views("views.update") for each in view["blocks"] if each["block_id"] == "owner"]
    return [each["element"]["initial_option"]["value"] for each in drawn]
