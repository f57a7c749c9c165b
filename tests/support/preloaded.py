# ruff: noqa: F401 - what is imported here is for others
"""What the process that forks programs of ours has done before: all imports, and what is the same in each start."""

import ssl

import anyio._backends._asyncio
import certifi

import bot.app
import bot.cli.main
import bot.diagnosis
import sandbox.clock
import tests.support.forked
from tests.support.tls import one_context_for_all

one_context_for_all()
ssl.create_default_context(cafile=certifi.where())
