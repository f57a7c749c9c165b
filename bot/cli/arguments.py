"""Arguments that several commands of `latchkey policy` take."""

from pathlib import Path
from typing import Annotated

import typer

from bot.domain.keys import Operation
from bot.domain.kinds import Kind

User = Annotated[str, typer.Option("--user", metavar="ADDRESS", help="Who asks: an e-mail address, or u-….")]
Doing = Annotated[Operation, typer.Option("--operation", help="What is asked for.")]
OfKind = Annotated[Kind, typer.Option("--kind", help="What the key opens.")]
For = Annotated[str, typer.Option("--resource", metavar="ID", help="A cluster, or a region such as aws.us-east-1.")]
OwnedBy = Annotated[
    str, typer.Option("--owner", metavar="OWNER", help="me, new, or a service account by its id or its name.")
]
Within = Annotated[str, typer.Option("--environment", metavar="ID", help="Where the resource is; else it is searched.")]
ByPolicy = Annotated[
    Path | None, typer.Option("--policy", metavar="FILE", envvar="LATCHKEY_POLICY", help="Else the built-in rules.")
]
OnSnapshot = Annotated[
    Path | None, typer.Option("--snapshot", metavar="FILE", help="Look there, and ask neither Slack nor Confluent.")
]
CardsIn = Annotated[str, typer.Option("--channel", envvar="LATCHKEY_CHANNEL", hidden=True)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
