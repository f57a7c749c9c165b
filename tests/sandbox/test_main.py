"""`make sandbox`: where its page is."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from sandbox.__main__ import PORTS, first_free


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that is in use."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_free_port_is_used_without_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free: int = listener.getsockname()[1]

    assert first_free(free) == free
    assert capsys.readouterr().out == ""


def test_where_the_port_is_taken_the_next_free_one_is_used_and_said(
    taken: int, capsys: pytest.CaptureFixture[str]
) -> None:
    port = first_free(taken)

    assert taken < port < taken + PORTS
    assert capsys.readouterr().out == f"Port {taken} is in use, so this sandbox uses {port}.\n"


def test_where_no_port_is_free_any_one_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> ExitStack:
        raise PermissionError

    monkeypatch.setattr(socket, "create_server", refuse)

    assert first_free(1) == 0
