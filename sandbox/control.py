"""The API of the sandbox's panel: faults, the clock, the bot's process, and Confluent's Console.

It's protected like the rest of the page.
"""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox import told
from sandbox.confluent import console
from sandbox.in_hand import in_hand
from sandbox.scenarios import STEPS, NotNow, Scenarios
from sandbox.slack.blocks import Json
from sandbox.slack.errors import NotPossible
from sandbox.stage import BotProcess, Stage


class Control:
    """Routes under `/control`. They return 404 until `attach` is called with the stage."""

    def __init__(self) -> None:
        self._stage: Stage | None = None
        self._bot: BotProcess | None = None
        self._scenarios: Scenarios | None = None
        self._killed: Json | None = None

    def attach(self, stage: Stage, bot: BotProcess) -> None:
        """Start to answer, for this stage and bot."""
        self._stage, self._bot = stage, bot
        self._scenarios = Scenarios(stage, bot, self._look_at_the_dead)

    def routes(self) -> list[Route]:
        """The routes, for `create_app(extra=…)`."""
        return [
            Route("/control", self.show, methods=["GET"]),
            Route("/control/fault", self.fault, methods=["POST"]),
            Route("/control/scenario", self.scenario, methods=["POST"]),
            Route("/control/manners", self.manners, methods=["POST"]),
            Route("/control/reset", self.reset, methods=["POST"]),
            Route("/control/clock", self.clock, methods=["POST"]),
            Route("/control/bot", self.bot, methods=["POST"]),
            Route("/control/told", self.told, methods=["GET"]),
            Route("/control/console", self.console, methods=["GET"]),
            Route("/control/console", self.act_in_console, methods=["POST"]),
        ]

    async def show(self, _: Request) -> Response:
        """All switches and their values, the clock, the bot and the scenarios."""
        stage, bot, scenarios = self._stage, self._bot, self._scenarios
        if stage is None or bot is None or scenarios is None:
            return Response(status_code=404)
        now, offset = stage.clock.now(), stage.clock.offset()
        return JSONResponse(
            {
                "faults": {"slack": stage.slack.faults.describe(), "confluent": stage.faults.describe()},
                "manners": {"seed": stage.slack.manners.seed, "habits": stage.slack.manners.describe()},
                "now": now.isoformat(),
                "offset": offset.total_seconds(),
                "bot": {"alive": bot.is_alive, "pid": bot.pid, "restarts": max(bot.starts - 1, 0)},
                "killed": self._killed,
                "steps": STEPS,
                "scenarios": scenarios.describe(),
            }
        )

    async def scenario(self, request: Request) -> Response:
        """Begin a scenario, or end it if it's on: `{name}`. Returns `{said}`, a text about it."""
        asked = await request.json()
        if self._scenarios is None:
            return Response(status_code=404)
        try:
            return JSONResponse({"said": await self._scenarios.begin(asked["name"])})
        except (KeyError, NotNow, NotPossible) as error:
            return JSONResponse({"error": str(error)}, status_code=400)

    async def fault(self, request: Request) -> Response:
        """Set one switch: `{side, name, value}`."""
        asked = await request.json()
        if self._stage is None:
            return Response(status_code=404)
        faults = self._stage.slack.faults if asked.get("side") == "slack" else self._stage.faults
        try:
            faults.set(asked["name"], asked["value"])
        except (KeyError, ValueError) as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        return await self.show(request)

    async def manners(self, request: Request) -> Response:
        """Set one of Slack's habits, `{name, value}`, or all of them, `{all: "kind" | "unkind"}`."""
        asked = await request.json()
        if self._stage is None:
            return Response(status_code=404)
        manners = self._stage.slack.manners
        try:
            if "all" in asked:
                manners.set_all(asked["all"])
            else:
                manners.set(asked["name"], asked["value"])
        except (KeyError, ValueError) as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        return await self.show(request)

    async def reset(self, request: Request) -> Response:
        """Set all switches back, so that everything works."""
        if self._stage is None or self._scenarios is None:
            return Response(status_code=404)
        self._scenarios.end()
        self._stage.faults.reset()
        self._stage.slack.faults.reset()
        return await self.show(request)

    async def clock(self, request: Request) -> Response:
        """Move the clock forward: `{advance: seconds}`, or to `lead` seconds before a time, `{to, lead}`."""
        asked = await request.json()
        if self._stage is None:
            return Response(status_code=404)
        clock = self._stage.clock
        try:
            if "to" in asked:
                clock.advance_to(datetime.fromisoformat(asked["to"]) - timedelta(seconds=float(asked.get("lead", 0))))
            else:
                clock.advance(timedelta(seconds=float(asked["advance"])))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        return await self.show(request)

    async def bot(self, request: Request) -> Response:
        """Kill the bot (`kill -9`) or start it: `{do: "kill" | "start"}`."""
        asked = await request.json()
        if self._bot is None:
            return Response(status_code=404)
        if asked.get("do") == "kill" and self._bot.is_alive:
            await self._bot.kill()
            await self._look_at_the_dead()
        elif asked.get("do") == "start" and not self._bot.is_alive:
            await self._bot.start()
        return await self.show(request)

    async def _look_at_the_dead(self) -> None:
        """Note what the bot that was just killed was working on."""
        if self._stage is not None:
            self._killed = {"at": self._stage.clock.now().isoformat(), "in_hand": await in_hand(self._stage)}

    async def told(self, request: Request) -> Response:
        """What the bot tells its operators; `what` is `log`, `audit`, `metrics` or `report`."""
        bot, what = self._bot, request.query_params.get("what", "")
        if bot is None or what not in told.WHAT:
            return Response(status_code=404)
        if what == "metrics":
            return JSONResponse({"lines": await told.metrics(bot.log)})
        if what == "report":
            return JSONResponse({"lines": await told.report(bot.launch, bot.environment())})
        file = bot.log if what == "log" else Path(bot.settings["LATCHKEY_AUDIT_LOG"])
        return JSONResponse({"lines": await asyncio.to_thread(told.newest, file)})

    async def console(self, request: Request) -> Response:
        """The keys at Confluent that match `q`, newest first."""
        if self._stage is None:
            return Response(status_code=404)
        query = request.query_params.get("q", "")
        return JSONResponse(console.listing(self._stage.organization, query))

    async def act_in_console(self, request: Request) -> Response:
        """Do something without Latchkey: `{do: "delete" | "rename" | "delete owner", key, name?}`."""
        asked = await request.json()
        if self._stage is None:
            return Response(status_code=404)
        try:
            console.act(self._stage.organization, asked["do"], asked["key"], str(asked.get("name", "")))
        except (KeyError, TypeError, ValueError) as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        return await self.console(request)
