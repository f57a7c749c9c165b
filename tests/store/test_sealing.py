import base64
import re

import pytest

from bot.domain.errors import Tampered
from bot.store.sealing import Purpose, SealContext, Sealer, new_master_key, parse_master_keys

OLD, NEW = bytes(32), bytes(range(32))
PLACE = SealContext(Purpose.REQUEST, "lk:{T01}:request:R1", 3)


def test_opens_what_it_sealed() -> None:
    sealer = Sealer([NEW])

    assert sealer.open(sealer.seal(b"body", PLACE), PLACE) == b"body"


@pytest.mark.parametrize(
    ("place", "sealed"),
    [
        (PLACE, "AbrqNTm8dVL72P0WZEkc8XlR/xXNgn88QwhzBwxMWutUglGTXI4BtRU="),
        (SealContext(Purpose.KEEP, "lk:{T01}:keep:K1"), "AbrqNTm8dVL7pgL3hUM3EASIDlg+xogs5HL2txCbfi+ctsIb+Ed5eq4="),
    ],
)
def test_what_was_sealed_once_still_opens(place: SealContext, sealed: str) -> None:
    """Never edit these: values like them are in someone's store."""
    assert Sealer([NEW]).open(base64.b64decode(sealed), place) == b"body"


def test_two_seals_of_one_body_differ() -> None:
    sealer = Sealer([NEW])

    assert sealer.seal(b"body", PLACE) != sealer.seal(b"body", PLACE)


@pytest.mark.parametrize(
    "elsewhere",
    [
        SealContext(Purpose.REQUEST, "lk:{T01}:request:R2", 3),
        SealContext(Purpose.REQUEST, "lk:{T02}:request:R1", 3),
        SealContext(Purpose.REQUEST, "lk:{T01}:request:R1", 4),
        SealContext(Purpose.SECRET, "lk:{T01}:request:R1", 3),
    ],
)
def test_opens_nowhere_else(elsewhere: SealContext) -> None:
    sealer = Sealer([NEW])

    with pytest.raises(Tampered):
        sealer.open(sealer.seal(b"body", PLACE), elsewhere)


def test_no_two_places_spell_the_same_bytes() -> None:
    one, two = SealContext(Purpose.POST, "a", "bc"), SealContext(Purpose.POST, "ab", "c")

    assert one.bound(b"") != two.bound(b"")


def test_every_changed_byte_is_noticed_and_never_quoted() -> None:
    sealer = Sealer([NEW])
    sealed = sealer.seal(b"marker", PLACE)

    for position in range(len(sealed)):
        broken = sealed[:position] + bytes([sealed[position] ^ 1]) + sealed[position + 1 :]
        with pytest.raises(Tampered) as raised:
            sealer.open(broken, PLACE)
        assert "marker" not in f"{raised.value!r} {raised.value.tell}"


@pytest.mark.parametrize("length", [0, 1, 20, 21, 30])
def test_a_stub_does_not_open(length: int) -> None:
    sealer = Sealer([NEW])

    with pytest.raises(Tampered):
        sealer.open(sealer.seal(b"", PLACE)[:length], PLACE)


def test_rotation_opens_the_old_and_seals_with_the_new() -> None:
    rotated = Sealer([NEW, OLD])

    assert rotated.open(Sealer([OLD]).seal(b"body", PLACE), PLACE) == b"body"
    assert Sealer([NEW]).open(rotated.seal(b"body", PLACE), PLACE) == b"body"
    with pytest.raises(Tampered, match="not configured"):
        Sealer([OLD]).open(rotated.seal(b"body", PLACE), PLACE)


def test_a_mac_outlives_the_rotation_of_its_key() -> None:
    mac = Sealer([OLD]).mac(b"line")

    assert Sealer([NEW, OLD]).mac_is_ours(b"line", mac) is True
    assert Sealer([NEW, OLD]).mac_is_ours(b"another line", mac) is False
    assert Sealer([NEW]).mac_is_ours(b"line", mac) is None
    assert Sealer([NEW]).mac_is_ours(b"line", "no hexadecimal") is False


def test_a_new_master_key_parses() -> None:
    first, second = new_master_key(), new_master_key()

    assert re.fullmatch(r"lk1_[A-Za-z0-9_-]{43}", first)
    assert [len(key) for key in parse_master_keys(f" {first}, {second}\n")] == [32, 32]
    assert parse_master_keys(first) == [base64.urlsafe_b64decode(first[4:] + "=")]


@pytest.mark.parametrize(
    "text", ["", "lk1_", "lk2_" + "A" * 43, "lk1_" + "A" * 42, "lk1_" + "A" * 44, "lk1_" + "é" * 43]
)
def test_a_malformed_master_key_is_not_quoted(text: str) -> None:
    with pytest.raises(ValueError, match=r"^master key 2 of 2 isn't one that `latchkey keygen` prints$"):
        parse_master_keys(f"{new_master_key()},{text}")


def test_a_repeated_master_key_is_refused() -> None:
    key = new_master_key()

    with pytest.raises(ValueError, match="twice"):
        parse_master_keys(f"{key},{key}")


@pytest.mark.parametrize("keys", [[], [b"short"]])
def test_a_sealer_needs_whole_keys(keys: list[bytes]) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Sealer(keys)
