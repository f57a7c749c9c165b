"""Only what a rehearsal writes becomes a recording; whatever else a file holds is refused without being repeated."""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.domain.errors import CloudRefused
from bot.rehearsal.findings import LINES, NOT_SETTLED, PAYLOADS, Findings, error_name
from sandbox.confluent.faults import Faults
from sandbox.recording import BY_SHAPE, FIXED, HABITS, OF_THE_PERSON, SWITCHES, NotARecording, Recording
from sandbox.report import LARGEST, NotAReport, foreign, read
from sandbox.slack.manners import Manners
from sandbox.slack.optional import ABSENT_OR_EMPTY, OPTIONAL
from tools.recording import RECORDINGS, main

PRIVATE = {
    "U0DANA12": "an id",
    "u-abc123": "an id",
    "lkc-abc123": "an id",
    "ABCDEFGH12345678": "an id",
    "9f1c7a52-5c0e-4a8e-9d3b-2b6f4f1d7e01": "an id",
    "dana@acme.example": "an email address",
    "https://acme.example/hook": "an address",
    "10.20.30.40": "an address",
    "Dana Okafor": "a text that isn't Latchkey's own, such as a name",
    "xoxb" + "-1-2-abc": "a token or secret",
    "cflt" + "Abc" * 10: "a token or secret",
    "q8+/" * 8: "a token or secret",
}


def report(tmp_path: Path, change: Callable[[dict[str, Any]], object] = lambda _: None) -> Path:
    """A report, changed by hand."""
    findings = Findings()
    findings.judge("slack.echo-escaped", claim_holds=True)
    findings.note("slack.users-info", team_id="string", team_is_ours=True)
    findings.note("slack.channel-info", **{"channel 12.is_member": "absent"})
    findings.note_payload("block_actions", {"team": {"id": "T1"}, "enterprise": None}, PAYLOADS["block_actions"])
    file = tmp_path / "report.json"
    findings.write(file)
    found = json.loads(file.read_text())
    change(found)
    file.write_text(json.dumps(found))
    return file


@pytest.mark.parametrize("text", PRIVATE)
@pytest.mark.parametrize(
    "put",
    [
        lambda found, text: found["seen"]["slack.users-info"].update(team_id=text),
        lambda found, text: found["seen"]["slack.users-info"].update({text: "string"}),
        lambda found, text: found["seen"].update({text: {}}),
        lambda found, text: found["verdicts"].update({"slack.late-ack": text}),
        lambda found, text: found["verdicts"].update({text: "TRUE"}),
        lambda found, text: found["payloads"]["block_actions"]["team"].append(text),
        lambda found, text: found["payloads"]["block_actions"].update({text: ["string"]}),
        lambda found, text: found["payloads"].update({text: {}}),
        lambda found, text: found["unhandled"].append(text),
        lambda found, text: found["failed"].append(text),
        lambda found, text: found["not_settled"].update({"slack.org-wide": text}),
        lambda found, text: found.update(interrupted=text),
        lambda found, text: found.update({text: 1}),
        lambda found, text: found.update(seen=text),
    ],
)
def test_what_is_private_is_refused_and_not_repeated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], put: Callable[[dict[str, Any], str], object], text: str
) -> None:
    file = report(tmp_path, lambda found: put(found, text))
    assert main([str(file), "x", "--against", "the sandbox"], tmp_path / "made") == 1
    said = capsys.readouterr().err
    assert f"{file} can't become a recording: it holds what no rehearsal writes:" in said
    assert PRIVATE[text] in said
    assert text not in said.replace(str(file), "")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("number", [10_000, -1, 1e300, float("nan"), [1], None, {}])
def test_numbers_that_could_be_ids_and_parts_that_are_no_shapes_are_refused(tmp_path: Path, number: object) -> None:
    file = report(tmp_path, lambda found: found["seen"].update({"confluent.bindings": {"at": number}}))
    assert len(foreign(read(file))) == 1


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it isn't JSON"),
        ("{", "it isn't JSON"),
        ("[" * 100_000, "it isn't JSON"),
        ("\xff", "it isn't JSON"),
        ("[]", "`latchkey rehearse` didn't write it"),
        ('{"format": 1}', "`latchkey rehearse` didn't write it"),
        ('{"format": 9, "verdicts": {}, "seen": {}, "payloads": {}}', "another version of Latchkey wrote it"),
        (" " * (LARGEST + 1), "it is larger than any report"),
    ],
    ids=range(8),
)
def test_a_foreign_or_broken_file_is_told_from_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, why: str
) -> None:
    file = tmp_path / "file.json"
    file.write_bytes(text.encode("latin-1"))
    assert main([str(file), "--check"]) == 1
    assert f"{file} can't become a recording: {why}" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotAReport, match="can't be read"):
        read(tmp_path / "none.json")


@pytest.mark.parametrize("against", ["", "  ", "U0DANA12", "dana@acme.example", "a\nb", "x" * 201])
def test_what_it_was_recorded_against_is_told_in_plain_words(tmp_path: Path, against: str) -> None:
    assert main([str(report(tmp_path)), "x", "--against", against], tmp_path / "made") == 1
    assert main([str(report(tmp_path)), "x", "--against", "a workspace without a Grid"], tmp_path / "made") == 0


@pytest.mark.parametrize("name", ["", "../x", "A", "a.toml"])
def test_a_name_is_a_plain_one(tmp_path: Path, name: str) -> None:
    with pytest.raises(SystemExit):
        main([str(report(tmp_path)), name, "--against", "the sandbox"], tmp_path)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("format = ", "isn't TOML"),
        ("a = 1", "isn't a recording"),
        ('format = 2\nagainst = "x"\n[verdicts]\n[seen]\n[payloads]', "another version"),
        ('format = 1\nagainst = "x"\n[verdicts]\n"slack.late-ack" = "U0DANA12"\n[seen]\n[payloads]', "verdicts"),
        ('format = 1\nagainst = "x"\nverdicts = 1\nseen = 1\npayloads = 1', "verdicts"),
    ],
)
def test_a_file_that_is_no_recording_is_told(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "it.toml"
    file.write_text(text)
    with pytest.raises(NotARecording, match=why):
        Recording.load(file)
    with pytest.raises(NotARecording, match="can't be read"):
        Recording.load(tmp_path / "none.toml")


def test_every_line_that_a_rehearsal_settles_is_played_or_known_not_to_be() -> None:
    settled = {each.entry for each in LINES} - NOT_SETTLED.keys()
    parts = [HABITS.keys(), SWITCHES.keys(), BY_SHAPE, FIXED.keys(), OF_THE_PERSON]
    assert sorted(entry for part in parts for entry in part) == sorted(settled)


def test_every_field_that_the_sandbox_may_leave_out_is_looked_at() -> None:
    for kind, paths in PAYLOADS.items():
        assert {*OPTIONAL.get(kind, ()), *ABSENT_OR_EMPTY.get(kind, ())} - set(paths) == set()


def test_what_the_sandbox_cannot_do_is_told() -> None:
    verdicts = {"slack.delete-ephemeral": "FALSE", "slack.block-id-echo": "TRUE", "confluent.zero-expiry": "TRUE"}
    recording = Recording("x", verdicts, {"confluent.own-key": {"expires_at": "number"}}, {})
    assert recording.not_played() == ["slack.delete-ephemeral is FALSE", "confluent.zero-expiry is TRUE"]
    assert (recording.habits(), recording.switches(), recording.left_out()) == ({}, {}, {})


def test_a_field_that_is_left_out_only_where_empty_is_settled_by_empty_ones_alone() -> None:
    seen = {"view_submission": {"view.private_metadata": ["string"], "view.hash": ["string"]}}
    assert Recording("x", {}, {}, seen).left_out() == {("view_submission", "view.hash"): False}
    seen = {"view_submission": {"view.private_metadata": ["absent", "string"], "view.hash": ["absent", "string"]}}
    assert Recording("x", {}, {}, seen).left_out() == {("view_submission", "view.private_metadata"): True}


def test_turning_optional_fields_ends_what_a_recording_said_of_them() -> None:
    manners = Manners()
    Recording("x", {}, {}, {"slash_command": {"api_app_id": ["absent"]}}).settle(manners)
    assert manners.sent_payload({"api_app_id": "A1"}) == {}
    manners.set("optional_fields", "there")
    assert manners.sent_payload({"api_app_id": "A1"}) == {"api_app_id": "A1"}


def test_types_below_an_absent_field_are_not_seen() -> None:
    findings = Findings()
    for payload in ({"team": None}, {"team": {"id": "T1", "enterprise_id": ""}}, {}):
        findings.note_payload("block_actions", payload, ("team", "team.id", "team.enterprise_id", "team.more"))
    assert findings.payloads == {
        "block_actions": {
            "team": {"null", "object", "absent"},
            "team.id": {"string"},
            "team.enterprise_id": {"empty string"},
            "team.more": {"absent"},
        }
    }


class DanasError(OSError):
    """Named by someone else."""


def test_errors_are_named_by_their_nearest_class_of_python_or_latchkey() -> None:
    assert error_name(CloudRefused(status=403, detail="", reference="")) == "CloudRefused"
    assert error_name(DanasError()) == "OSError"
    assert error_name(json.JSONDecodeError("", "", 0)) == "ValueError"


@pytest.mark.parametrize("file", sorted(RECORDINGS.glob("*.toml")), ids=lambda file: file.stem)
def test_a_committed_recording_tells_what_it_is_of_and_can_be_played(file: Path) -> None:
    recording, manners, faults = Recording.load(file), Manners(), Faults()
    assert recording.against
    recording.settle(manners)
    faults.settle(recording.switches())
    assert recording.habits() == {name: manners.value(name) for name in recording.habits()}
    assert file.read_text().startswith("# What one run of `latchkey rehearse` saw")


async def test_the_sandbox_says_in_one_line_what_is_wrong_with_a_recording() -> None:
    ran = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "sandbox",
        "--like",
        "README.md",
        stderr=asyncio.subprocess.PIPE,
        cwd=RECORDINGS.parents[2],
    )
    _, said = await ran.communicate()
    assert said.decode() == "README.md isn't TOML. tools/recording.py makes a recording from a report.\n"
    assert ran.returncode == 2
