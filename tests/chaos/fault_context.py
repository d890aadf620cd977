"""The parts that a fault may touch: the hub, its services, and the connection to the provider."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.chaos.managed_hub import Hub
from tests.chaos.postgres import Postgres
from tests.chaos.proxy import Proxy


@dataclass(frozen=True)
class FaultContext:
    """The hub of one run, and the other services that the fault requested."""

    hub: Hub
    postgres: Postgres | None = None
    proxy: Proxy | None = None
    certificates: tuple[Path, Path, Path] | None = None
