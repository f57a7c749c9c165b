import json
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from sandbox import told
from sandbox.serving import serve
from tests.support.listening import app_of

METRICS = """# HELP latchkey_events_total Audit events by action.
latchkey_events_total{action="key:created"} 2.0
latchkey_events_total{action="key:deleted"} 0.0
latchkey_events_created{action="key:created"} 1.7e+09
latchkey_ack_seconds_bucket{kind="button",le="0.1"} 3.0
process_open_fds 12.0
"""


def ready(port: int) -> str:
    return json.dumps({"event": "ready", "port": port}) + "\n"


def test_the_newest_lines_of_a_file_are_told(tmp_path: Path) -> None:
    log = tmp_path / "bot.log"
    assert told.newest(log) == []

    log.write_bytes(b"\xff\n" + b"".join(b"%d\n" % number for number in range(told.LINES)))

    assert told.newest(log) == [str(number) for number in range(told.LINES)]


async def test_metrics_are_those_that_tell_something_of_the_bot_that_started_last(tmp_path: Path) -> None:
    log = tmp_path / "bot.log"
    assert await told.metrics(log) == []

    async def answer(_: Request) -> Response:
        return PlainTextResponse(METRICS)

    async with serve(app_of(answer)) as url:
        log.write_text(ready(1) + '"ready" is no JSON\n' + ready(int(url.rpartition(":")[2])))
        assert await told.metrics(log) == ['latchkey_events_total{action="key:created"} 2.0']

    assert await told.metrics(log) == [], "it is gone"


@pytest.mark.parametrize("line", ['{"event": "ready"}', '{"event": "other", "said": "ready"}', "[]", ""])
async def test_without_a_port_there_are_no_metrics(tmp_path: Path, line: str) -> None:
    (tmp_path / "bot.log").write_text(line)

    assert await told.metrics(tmp_path / "bot.log") == []
