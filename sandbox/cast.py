"""The people in the sandbox: one small company, with the same people in Slack and in Confluent Cloud.

Its Slack workspace is part of an Enterprise Grid organization, Acme Group.
"""

from dataclasses import dataclass, field

TEAM = "T0ACME"
TEAM_NAME = "Acme"
ENTERPRISE = "E0ACME"
ENTERPRISE_NAME = "Acme Group"
LABS_TEAM = "T0LABS"
"""Another workspace of the same Enterprise Grid organization. The app isn't installed there."""
PARTNER_TEAM = "T0PARTNER"
APPROVALS_CHANNEL = "C0APPROVE"
GENERAL_CHANNEL = "C0GENERAL"
PARTNER_CHANNEL = "C0PARTNER"
BOT_USER = "U0LATCHKEY"
BOT_ID = "B0LATCHKEY"
APP_ID = "A0LATCHKEY"

ORGANIZATION = "9f1c7a52-5c0e-4a8e-9d3b-2b6f4f1d7e01"
ORG_CRN = f"crn://confluent.cloud/organization={ORGANIZATION}"
BOT_PRINCIPAL = "sa-latchk"
DEV, PROD = "env-dev001", "env-prod01"


def crn(*parts: str) -> str:
    """The CRN of a place in the organization, from its `key=value` parts."""
    return "/".join([ORG_CRN, *parts])


DEV_ORDERS = ("environment=env-dev001", "cloud-cluster=lkc-dev001")
PROD_ORDERS = ("environment=env-prod01", "cloud-cluster=lkc-prod01")


@dataclass(frozen=True, slots=True)
class Actor:
    """A person in the sandbox. `bindings` are pairs of role and CRN pattern in Confluent Cloud."""

    slack: str
    name: str
    title: str
    email: str
    principal: str | None = None
    bindings: tuple[tuple[str, str], ...] = ()
    team: str = TEAM
    is_guest: bool = False
    is_bot: bool = False
    deleted: bool = False
    channels: tuple[str, ...] = field(default=(GENERAL_CHANNEL, APPROVALS_CHANNEL))
    is_email_confirmed: bool | None = True
    """None: Slack doesn't say, which happens with people who were invited or provisioned."""
    also_in: tuple[str, ...] = ()
    """Other workspaces of the organization. `team` is the home that Slack names wherever this person clicks."""

    @property
    def workspaces(self) -> tuple[str, ...]:
        """Every workspace that this person is a member of."""
        return (self.team, *self.also_in)

    @property
    def is_member(self) -> bool:
        """Whether the person is in the workspace that has the app."""
        return TEAM in self.workspaces

    @property
    def enterprise(self) -> str | None:
        """The person's Enterprise Grid organization, or None."""
        return None if self.team == PARTNER_TEAM else ENTERPRISE

    @property
    def is_at_home(self) -> bool:
        """Whether this person's home is the app's workspace. Slack is less clear about other people of a Grid."""
        return self.team == TEAM


CAST: tuple[Actor, ...] = (
    Actor(
        "U0DANA",
        "Dana Okafor",
        "Developer, orders team",
        "dana@acme.example",
        "u-dana01",
        (
            ("DeveloperWrite", crn(*DEV_ORDERS, "kafka=lkc-dev001", "topic=orders-*")),
            ("DeveloperRead", crn(*PROD_ORDERS, "kafka=lkc-prod01", "topic=orders")),
        ),
        channels=(GENERAL_CHANNEL,),
    ),
    Actor(
        "U0ERIN",
        "Erin Castellanos",
        "EnvironmentAdmin on dev",
        "Erin@Acme.example",
        "u-erin01",
        (("EnvironmentAdmin", crn("environment=env-dev001")),),
    ),
    Actor(
        "U0PAVEL",
        "Pavel Novák",
        "EnvironmentAdmin on production",
        "pavel@acme.example",
        "u-pavel1",
        (("EnvironmentAdmin", crn("environment=env-prod01")),),
    ),
    Actor(
        "U0OLGA",
        "Olga Lindqvist",
        "OrganizationAdmin",
        "olga@acme.example",
        "u-olga01",
        (("OrganizationAdmin", ORG_CRN),),
    ),
    Actor(
        "U0INES",
        "Ines Carvalho",
        "OrganizationAdmin",
        "ines@acme.example",
        "u-ines01",
        (("OrganizationAdmin", ORG_CRN),),
    ),
    Actor(
        "U0RAVI", "Ravi Menon", "ResourceKeyAdmin", "ravi@acme.example", "u-ravi01", (("ResourceKeyAdmin", ORG_CRN),)
    ),
    Actor(
        "U0CHIYO",
        "Chiyo Tanaka",
        "CloudClusterAdmin on orders (production)",
        "chiyo@acme.example",
        "u-chiyo1",
        (("CloudClusterAdmin", crn(*PROD_ORDERS)),),
    ),
    Actor(
        "U0KIM",
        "Kim Aydın",
        "KsqlAdmin on enrichment",
        "kim@acme.example",
        "u-kim001",
        (("KsqlAdmin", crn(*DEV_ORDERS, "ksql=enrichment")),),
    ),
    Actor(
        "U0SAMI",
        "Sami Haddad",
        "ResourceOwner on orders-service",
        "sami@acme.example",
        "u-sami01",
        (
            ("ResourceOwner", crn("service-account=sa-orders")),
            ("ResourceOwner", crn(*PROD_ORDERS, "kafka=lkc-prod01", "group=orders-readers")),
        ),
    ),
    Actor(
        "U0OMAR",
        "Omar Bello",
        "Operator on dev",
        "omar@acme.example",
        "u-omar01",
        (("Operator", crn("environment=env-dev001")),),
    ),
    Actor(
        "U0MONA",
        "Mona Fischer",
        "DeveloperManage on orders-dev",
        "mona@acme.example",
        "u-mona01",
        (("DeveloperManage", crn(*DEV_ORDERS)),),
    ),
    Actor(
        "U0REED",
        "Reed Walsh",
        "DeveloperRead on one subject",
        "reed@acme.example",
        "u-reed01",
        (("DeveloperRead", crn("environment=env-dev001", "schema-registry=lsrc-dev01", "subject=orders-value")),),
    ),
    Actor(
        "U0DISHA",
        "Disha Rao",
        "DataDiscovery on dev",
        "disha@acme.example",
        "u-disha1",
        (("DataDiscovery", crn("environment=env-dev001")),),
    ),
    Actor(
        "U0LENA",
        "Lena Ivers",
        "ResourceOwner on nightly-etl",
        "lena@acme.example",
        "u-lena01",
        (("ResourceOwner", crn("service-account=sa-etl001")),),
    ),
    Actor("U0NORA", "Nora Quist", "Has no Confluent account", "nora@acme.example"),
    Actor(
        "U0TESS", "Tess Morgan", "Shares an email address with a second Confluent user", "tess@acme.example", "u-tess01"
    ),
    Actor(
        "U0VERA",
        "Vera Sato",
        "Email address not confirmed in Slack",
        "vera@acme.example",
        "u-vera01",
        is_email_confirmed=None,
    ),
    Actor("U0GUS", "Gus Freelance", "Guest", "gus@contractor.example", is_guest=True),
    Actor(
        "U0XAVI",
        "Xavi Puig",
        "Works at Partner Ltd (Slack Connect)",
        "xavi@partner.example",
        team=PARTNER_TEAM,
        channels=(PARTNER_CHANNEL,),
    ),
    Actor(
        "U0GRETA",
        "Greta Holm",
        "CloudClusterAdmin on payments-dev, at home in Acme Labs (Grid)",
        "greta@acme.example",
        "u-greta1",
        (("CloudClusterAdmin", crn("environment=env-dev001", "cloud-cluster=lkc-dev002")),),
        team=LABS_TEAM,
        also_in=(TEAM,),
    ),
    Actor(
        "U0IVO",
        "Ivo Brandt",
        "In Acme Labs only (Grid)",
        "ivo@acme.example",
        "u-ivo001",
        team=LABS_TEAM,
        channels=(PARTNER_CHANNEL,),
    ),
    Actor("U0LEFT", "Lee Vance", "Left the company", "lee@acme.example", "u-lee001", deleted=True),
)

SECOND_TESS = ("u-tess02", "TESS@acme.example", "Tess Morgan (old)")
