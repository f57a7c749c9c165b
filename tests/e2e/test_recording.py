"""A rehearsal's report becomes a recording, and a sandbox like that recording behaves as what was rehearsed on."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from sandbox.recording import Recording
from sandbox.report import foreign, read
from sandbox.slack.manners import DRAWN, HABITS, ONCE, Manners
from tests.support.rehearsal import Operator, nothing_is_left, operator
from tools.recording import RECORDINGS, main, recording_of

AGAINST = "the sandbox"
OTHER_SEED = 4821
MOODS: Mapping[str, Manners] = {
    "kind": Manners(),
    "unkind, seed 1": Manners.unkind(1),
    "unkind, seed 2": Manners.unkind(2),
    "unkind, seed 7": Manners.unkind(7),
    "unsteady": Manners(
        3, suggestion_state=DRAWN, team=DRAWN, optional_fields=DRAWN, acks="always late", echo="escaped"
    ),
    "bare": Manners(optional_fields="absent", is_member="absent", response_url="JSON", metadata="escaped"),
}
COMMITTED = {"kind": "sandbox-kind.toml", "unkind, seed 1": "sandbox-unkind.toml"}


async def rehearsed(it: Operator) -> Recording:
    await it.rehearse(settled=1.5)
    nothing_is_left(it)
    return recording_of(it.report, AGAINST)


def fits(habit: str, settled: str, real: str) -> bool:
    """Whether one run of a Slack with this real habit can be taken for the settled one."""
    if habit == "acks" and real == "late":
        return settled in {"at once", "always late"}
    return settled == real or (real in (DRAWN, ONCE) and settled in HABITS[habit]["choices"])


@pytest.mark.parametrize("mood", MOODS)
async def test_a_sandbox_like_a_recording_has_its_habits_and_gets_the_same_verdicts(tmp_path: Path, mood: str) -> None:
    manners = MOODS[mood]
    (tmp_path / "first").mkdir()
    (tmp_path / "again").mkdir()
    async with operator(tmp_path / "first", manners) as it:
        recording = await rehearsed(it)
        verdicts, faults = it.verdicts(), it.stage.faults
    settled = recording.habits()
    assert settled.keys() == HABITS.keys() - {"optional_fields", "lost_thread"}  # which no step tries
    assert [name for name in settled if not fits(name, settled[name], manners.value(name))] == []
    assert recording.switches() == {name: getattr(faults, name) for name in ("expires_at", "crn_patterns", "user_keys")}
    assert recording.not_played() == []
    if mood in COMMITTED:
        committed = Recording.load(RECORDINGS / COMMITTED[mood])
        assert (committed.habits(), committed.switches()) == (settled, recording.switches())

    file = tmp_path / "it.toml"
    file.write_text(recording.text(file))
    like = Recording.load(file)
    assert like.habits() == settled
    async with operator(tmp_path / "again", Manners.unkind(OTHER_SEED), like) as it:
        assert {name: it.stage.slack.manners.value(name) for name in settled} == settled
        again = await rehearsed(it)
        assert it.verdicts() == verdicts, it.screen.text()
        assert [name for name, value in again.habits().items() if not fits(name, value, settled[name])] == []
        assert again.switches() == recording.switches()
        fields = recording.left_out().keys() & again.left_out().keys()
        assert {each: again.left_out()[each] for each in fields} == {
            each: recording.left_out()[each] for each in fields
        }
        assert len(fields) > len(recording.left_out()) / 2


@pytest.mark.parametrize("expiry", ["honored", "ignored", "refused", "zero"])
async def test_what_confluent_does_with_ends_is_recorded(tmp_path: Path, expiry: str) -> None:
    async with operator(tmp_path) as it:
        it.stage.faults.set("expires_at", expiry)
        it.stage.faults.set("crn_patterns", "with all below")
        it.stage.faults.set("user_keys", "allowed")
        await it.rehearse()
        assert recording_of(it.report, AGAINST).switches() == {
            "expires_at": expiry,
            "crn_patterns": "with all below",
            "user_keys": "allowed",
        }


async def test_a_report_is_written_to_a_recording_by_the_tool(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with operator(tmp_path) as it:
        assert await it.rehearse(confluent="") == 0
    assert foreign(read(it.report)) == []
    assert main([str(it.report), "--check"]) == 0
    assert main([str(it.report), "ours", "--against", AGAINST], tmp_path) == 0
    assert "holds nothing personal" in capsys.readouterr().out
    text = (tmp_path / "ours.toml").read_text()
    assert f'against = "{AGAINST}"' in text
    assert "not seen" not in text
    recording = Recording.load(tmp_path / "ours.toml")
    assert recording.habits() == recording_of(it.report, AGAINST).habits()
    assert recording.switches() == {}
    assert json.loads(it.report.read_text())["payloads"]["slash_command"]["team_id"] == ["string"]
