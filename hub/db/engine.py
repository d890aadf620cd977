"""The database, created empty, and how patient its connections are; `create_app` fills it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import URL, MetaData, make_url
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    """All tables; named constraints, so that a migration can name what it changes."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


db = SQLAlchemy(model_class=Base)
MIGRATIONS = str(Path(__file__).parents[2] / "migrations")

# a server that went away without a word is noticed well before a provider gives up its callback,
# after 15 seconds
PATIENCE = {
    "connect_timeout": 3,
    "tcp_user_timeout": 8000,  # seconds; milliseconds
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,  # where nothing was sent that could time out
}
POOL_SECONDS = 5.0  # to wait for a connection that others use


def patience(url: URL | str) -> dict[str, Any]:
    """Return how long to wait for a PostgreSQL server, as the driver takes it; what the address
    says itself is left out.
    """
    return {name: value for name, value in PATIENCE.items() if name not in make_url(url).query}
