"""A test file has the name of the module that it tests, in the same folder; stories have their own names."""

from itertools import chain
from pathlib import Path

import pytest

from tests.test_architecture import ROOT

TESTS = ROOT / "tests"
WITHOUT_MIRROR = {"e2e", "sandbox", "support", "data"}
"""Stories of the whole product, and tests of what stands in for Slack and Confluent."""
TESTED = {"chaos": "chaos", "handlers": "handlers", "policy": "bot/policyfile", "runtime": "bot"}
"""Where the modules are that a folder tests, where that is not the folder of `bot` with the same name."""
STORIES = {
    "chaos/test_end_of_a_run.py": "what a run says at its end",
    "cli/test_report_machine.py": "reports of any moment of any story",
    "cli/test_explain_roles.py": "every role of the page, through the command",
    "confluent/test_accounts.py": "service accounts, from list to deletion",
    "confluent/test_cloud_on_sandbox.py": "the client against the sandbox's Confluent",
    "confluent/test_contract.py": "what we send, against Confluent's own description",
    "confluent/test_expiry.py": "keys that Confluent itself ends",
    "confluent/test_own_key.py": "Latchkey's own key",
    "confluent/test_role_bindings.py": "role bindings, from list to deletion",
    "confluent/test_recorded.py": "answers as others recorded them",
    "confluent/test_secrecy.py": "no secret in logs and errors",
    "confluent/test_unreadable_rows.py": "lists with a row that nobody can read",
    "domain/test_decision_properties.py": "what no policy and no role can change",
    "domain/test_selectors.py": "whom rules are about, and their order",
    "domain/test_values.py": "the small values of several modules",
    "handlers/test_acks.py": "every listener acknowledges once and on time",
    "policy/test_page.py": "the files of docs/policy.md",
    "policy/test_properties.py": "what holds for any policy file",
    "policy/test_schema.py": "docs/policy.schema.json",
    "runtime/test_audit_alone.py": "the audit log without Slack and Confluent Cloud",
    "runtime/test_patience.py": "a start while Slack has no time",
    "services/keys/test_deadline_steps.py": "what each deadline does to a request, its secret and its key",
    "services/keys/test_following.py": "requests that follow what becomes of their keys",
    "services/keys/test_one_deletion.py": "a deletion has one outcome",
    "services/keys/test_orphans.py": "keys that attempts left behind",
    "services/keys/test_reminders.py": "reminders of a key's end, after changes of it",
    "services/keys/test_rotation.py": "a rotation, from request to the old key's end",
    "services/review/test_channel.py": "what the review asks its channel",
    "services/test_asking_twice.py": "clicks that are carried out twice",
    "services/test_attacks.py": "attacks on requests",
    "services/test_attacks_keys.py": "attacks on keys",
    "services/test_decision_machine.py": "clicks in any order",
    "services/test_environment_names.py": "rules that know environments by name, from the form to the effect",
    "services/test_faults.py": "a fault at any call",
    "services/test_life_machine.py": "lives of keys in any order",
    "services/test_approvers_told.py": "approvers learn that what they approved came to nothing",
    "services/test_news.py": "what is told in a new message, and what is not",
    "services/test_break_glass.py": "keys without an approval, who is told of them, and their review",
    "services/test_glass_machine.py": "uses of break-glass in any order",
    "services/test_conditions.py": "who approves besides having a role, from the form to the effect",
    "services/test_confirm.py": "approvals that need a name typed",
    "services/test_no_from_a_cache.py": "nothing that is a minute old refuses anybody",
    "services/test_open_requests.py": "how many open requests a person has",
    "services/test_refusals.py": "the same refusal again and again",
    "services/test_rights_lost.py": "a Confluent that shows only a part",
    "services/test_rollback.py": "requests put back as they were before",
    "services/test_by.py": "rules about certain people, from the form to the effect",
    "services/test_tickets.py": "tickets, from the form to the effect",
    "services/test_trying_again.py": "clicks that failed for a reason that passes",
    "services/test_upgrade.py": "two versions at once",
    "slack/api/test_proxies.py": "Slack behind a forward proxy",
    "slack/api/test_unconfirmed.py": "people without a confirmed email address, counted by doctor",
    "slack/test_limits.py": "Slack's limits at any length",
    "slack/test_reading.py": "what people read is true and said once",
    "slack/test_real_slack.py": "habits of the real Slack",
    "slack/test_views.py": "what people read, whatever was typed",
    "store/audit/test_archive_machine.py": "archives, attacks and restarts in any order",
    "store/test_fitness.py": "whether a server is fit, by `bot/fitness.py`",
    "store/test_interleaving.py": "two processes in any order",
    "store/test_cluster.py": "the connection to a real cluster",
    "store/test_replicas.py": "what has to be on replicas before it counts",
    "store/test_rollback.py": "records that the audit log contradicts",
    "store/test_room.py": "what makes room for another request",
    "store/test_secrecy.py": "nothing readable in Redis",
    "store/test_trouble.py": "what the store refuses is told once a minute",
}
"""Files that test no single module, each with its subject."""


def mirrored() -> list[Path]:
    folders = (each for each in TESTS.iterdir() if each.is_dir() and each.name not in WITHOUT_MIRROR)
    return sorted(path.relative_to(TESTS) for path in chain.from_iterable(each.rglob("test_*.py") for each in folders))


def module_of(test: Path) -> Path:
    """The module that a file of tests is named after."""
    top, *below = test.parent.parts
    return ROOT.joinpath(TESTED.get(top, f"bot/{top}"), *below, test.name.removeprefix("test_"))


@pytest.mark.parametrize("test", mirrored(), ids=str)
def test_a_file_of_tests_is_named_after_its_module_or_is_a_story(test: Path) -> None:
    assert module_of(test).is_file() is not (str(test) in STORIES), "rename it, or list it among the stories"


def test_every_story_is_there() -> None:
    assert sorted(STORIES.keys() - {str(test) for test in mirrored()}) == []
