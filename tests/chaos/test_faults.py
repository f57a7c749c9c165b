"""What `make chaos` lets go wrong are faults that the sandbox has."""

from collections.abc import Mapping

import pytest

from chaos.faults import AT_CONFLUENT, AT_SLACK
from sandbox.confluent.faults import Faults as AtConfluent
from sandbox.slack.faults import Faults as AtSlack


@pytest.mark.parametrize("switches", AT_CONFLUENT.values(), ids=AT_CONFLUENT)
def test_confluent_can_be_made_to_fail_so(switches: Mapping[str, str | float]) -> None:
    faults = AtConfluent()
    for name, value in switches.items():
        faults.set(name, value)

    assert {each["name"]: each["value"] for each in faults.describe() if each["value"] != each["usual"]} == switches


@pytest.mark.parametrize("switches", AT_SLACK.values(), ids=AT_SLACK)
def test_slack_can_be_made_to_fail_so(switches: Mapping[str, str | float]) -> None:
    turned = dict[str, str | float]()
    faults = AtSlack(drop=lambda: turned.update(connections="drop now"))
    for name, value in switches.items():
        faults.set(name, value)

    turned |= {each["name"]: each["value"] for each in faults.describe() if each["value"] != each["usual"]}
    assert turned == switches
