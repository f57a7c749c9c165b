"""What there is to choose from at Confluent: environments, clusters, service accounts, users; read often, cached."""

from dataclasses import dataclass

from bot.domain.keys import KafkaCluster, Principal, ServiceAccount


@dataclass(frozen=True, slots=True)
class Environment:
    """A Confluent environment."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where clients find a Kafka cluster; "" when Confluent named no such address."""

    bootstrap: str
    rest: str


@dataclass(frozen=True, slots=True)
class User:
    """A Confluent user; `email` is normalised, "" when Confluent sent none."""

    id: Principal
    email: str
    name: str


@dataclass(frozen=True, slots=True)
class Catalog:
    """One reading of everything that the form offers, each list sorted by name."""

    organization: str
    environments: tuple[Environment, ...]
    clusters: tuple[KafkaCluster, ...]
    service_accounts: tuple[ServiceAccount, ...]
