"""Other people's documents and recordings: not part of this repository, read from `../shared` where that is there."""

import os
from pathlib import Path

import pytest

from tools.contract import SHARED


def shared(name: str) -> Path:
    """A file or folder of `../shared`. Without it the test is skipped, or fails where TEST_REQUIRE_SHARED=1."""
    path = SHARED / name
    if path.exists():
        return path
    reason = f"other people's documents and recordings are not here: {SHARED.name}/{name} beside the project"
    if os.environ.get("TEST_REQUIRE_SHARED") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
