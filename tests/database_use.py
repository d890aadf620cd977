"""Fail a test that uses a database, and that the run on PostgreSQL would leave out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Engine, event

from tests import groups


@dataclass
class _Transactions:
    """The number of transactions that this process has begun."""

    count: int = 0


_transactions = _Transactions()


@event.listens_for(Engine, "begin")
def _count_transaction(connection: Any) -> None:
    _transactions.count += 1


@pytest.fixture(autouse=True)
def database_by_fixture(request: pytest.FixtureRequest) -> Iterator[None]:
    """Require that a test which begins a transaction has a fixture of `groups.DATABASES`."""
    before = _transactions.count
    yield
    if _transactions.count > before and not groups.can_use_database(request.node):
        pytest.fail(
            "This test uses a database, and the run on PostgreSQL would leave it out. Use the"
            " fixture postgres_url, or add the fixture to DATABASES in tests/groups.py."
        )
