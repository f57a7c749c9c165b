"""Checks of this machine: what is installed, what is set, and whether the port is free."""

import asyncio
import json
import os
from pathlib import Path
from typing import cast

import aiohttp

from bot import installed, server
from bot.diagnosis.findings import Finding, failed, ok, warning
from bot.logs import STDOUT
from bot.scanning.keys import KeysUnreadable, signing_keys
from bot.settings import Settings, unknown_variables

SETTINGS, INSTALLATION, PORT, FEED, SCANNER = "settings", "installation", "port", "audit feed", "leak webhook"
CHECKS = (SETTINGS, INSTALLATION, PORT, FEED, SCANNER)
SECONDS = 3.0


async def examine(settings: Settings, session: aiohttp.ClientSession) -> list[Finding]:
    """Check everything about this machine."""
    here = [*of_settings(), _installation(), await _port(settings, session), _feed(settings.latchkey_audit_log)]
    return [*here, await _scanner(settings)]


def of_settings() -> list[Finding]:
    """Warnings about variables that Latchkey doesn't read. Other problems with settings end the program earlier."""
    found = [warning(SETTINGS, line, "Correct or unset it.") for line in unknown_variables()]
    return found or [ok(SETTINGS)]


def _installation() -> Finding:
    problem = installed.problem()
    return failed(INSTALLATION, problem) if problem else ok(INSTALLATION, installed.version())


async def _port(settings: Settings, session: aiohttp.ClientSession) -> Finding:
    try:
        server.listen(settings.host, settings.port).close()
    except server.CannotListen as error:
        if await _is_latchkey(settings, session):
            says = f"Latchkey is already running on {settings.host}, port {settings.port}."
            return warning(PORT, says, "That's fine if it's the one you're checking. A second one needs its own PORT.")
        return failed(PORT, str(error))
    return ok(PORT, f"{settings.host}, port {settings.port}")


def _feed(where: str) -> Finding:
    """Whether a start can open the file of the audit feed. Doesn't create it."""
    if where in {"", STDOUT}:
        return ok(FEED, where or "off")
    path = Path(where)
    target, rights = (path, os.W_OK) if path.exists() else (path.parent, os.W_OK | os.X_OK)
    if path.is_dir() or not os.access(target, rights):
        return failed(FEED, f"{path} can't be opened.", "Correct LATCHKEY_AUDIT_LOG, or the permissions.")
    return ok(FEED, where)


async def _scanner(settings: Settings) -> Finding:
    """Whether the scanner's public keys can be read, if the leak webhook is on."""
    source = settings.latchkey_leak_webhook
    if not source:
        return ok(SCANNER, "off")
    try:
        async with signing_keys(source, installed.version()) as keys:
            number = await keys.look()
    except KeysUnreadable as error:
        return failed(SCANNER, f"Reports of leaked keys can't be checked: {error}.", "Correct LATCHKEY_LEAK_WEBHOOK.")
    return ok(SCANNER, f"{number} public {'key' if number == 1 else 'keys'}")


async def _is_latchkey(settings: Settings, session: aiohttp.ClientSession) -> bool:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104 - compared, not bound
    try:
        async with asyncio.timeout(SECONDS), session.get(f"http://{host}:{settings.port}/readyz") as answer:
            found: object = json.loads(await answer.text())
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return False
    return isinstance(found, dict) and {"ready", "checks"} <= cast("dict[str, object]", found).keys()
