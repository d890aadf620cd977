"""The database object and its connection timeouts. `create_app` configures it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import URL, MetaData, make_url
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    """The base class of all models. Constraints have names, so that migrations can refer to
    them.
    """

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

# a lost server is detected before a provider gives up its callback after 15 seconds
CONNECT_OPTIONS = {
    "connect_timeout": 3,
    "tcp_user_timeout": 8000,  # seconds; milliseconds
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,  # for connections without unconfirmed data
}
POOL_SECONDS = 5.0  # to wait for a free connection


def connect_options(url: URL | str) -> dict[str, Any]:
    """Return the driver's timeout options for PostgreSQL, except those in the URL itself."""
    return {
        name: value for name, value in CONNECT_OPTIONS.items() if name not in make_url(url).query
    }
