"""Logging is global: what a test configures is undone after it."""

import logging
import warnings
from collections.abc import Iterator

import pytest
import structlog

from bot.logs import CHATTY


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    names = [*CHATTY, *(name for name in logging.root.manager.loggerDict if name.partition(".")[0] in CHATTY)]
    before = {name: logging.getLogger(name).level for name in names}
    handlers, level, show = list(logging.root.handlers), logging.root.level, warnings.showwarning
    yield
    logging.captureWarnings(capture=False)
    warnings.showwarning = show
    logging.root.handlers, logging.root.level = handlers, level
    for name, then in before.items():
        logging.getLogger(name).setLevel(then)
    structlog.reset_defaults()
