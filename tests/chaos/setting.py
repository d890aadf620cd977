"""The parts that a fault may touch: the hub, its services, and the connection to the provider."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.chaos.hubs import Hub
from tests.chaos.postgres import Postgres
from tests.chaos.proxy import Proxy


@dataclass(frozen=True)
class Setting:
    """One run's hub; PostgreSQL, the proxy and the untrusted certificate are there when the fault
    asked for them.
    """

    hub: Hub
    postgres: Postgres | None = None
    proxy: Proxy | None = None
    certificates: tuple[Path, Path, Path] | None = None
