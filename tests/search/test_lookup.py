"""A search reads a bounded number of rows, however common its words are."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from hub.core.vocabulary import Address
from hub.db.engine import db
from hub.db.store import transaction
from hub.models import Contact
from hub.search import lookup
from hub.shared.address_keys import address_key
from tests.hub_fixtures import SigningApp
from tests.search.index_steps import index_all, people, post_request, requests


@pytest.fixture
def few_compared(monkeypatch: pytest.MonkeyPatch) -> int:
    """Let every term with 4 rows count as common."""
    monkeypatch.setattr(lookup, "MAX_COMPARED", 4)
    monkeypatch.setattr(lookup, "MIN_PER_WORD", 1)
    return 4


def test_newest_of_many_is_found_first(signing_app: SigningApp, few_compared: int) -> None:
    for number in range(8):
        post_request(signing_app, f"Lease {number}")
    index_all()
    found = lookup.find_requests("lea", 3)
    assert found.has_more
    assert requests("lease 7") == ["Lease 7"], "the rarer word selects"
    newest = lookup.find_requests("lease", 3).ids
    assert newest == found.ids == tuple(sorted(newest, reverse=True))
    assert newest[0] == lookup.find_requests("7", 1).ids[0]


def test_common_words_together_compare_the_newest(
    signing_app: SigningApp, few_compared: int
) -> None:
    post_request(signing_app, "Lease of a boat")
    for number in range(5):
        post_request(signing_app, f"Lease {number}")
        post_request(signing_app, f"Boat {number}")
    index_all()
    found = lookup.find_requests("lease boat", 20)
    assert found.has_more, "older ones may match too"
    assert requests("lease of boat") == ["Lease of a boat"]


def test_common_words_together_find_what_is_among_the_newest(
    signing_app: SigningApp, few_compared: int
) -> None:
    for title in ("Lease 1", "Boat 1", "Boat 2", "Boat 3", "Lease of a boat", "Lease 2", "Lease 3"):
        post_request(signing_app, title)
    index_all()
    assert requests("lease boat") == ["Lease of a boat"], "the third of the 4 newest leases"


def test_number_is_found_by_its_last_digits_before_others(signing_app: SigningApp) -> None:
    add_contacts("+13175559876", "+13175551234", "+13179876555")
    index_all()
    ids = lookup.find_by_address("9876", 20).ids
    addresses = {row.id: row.address for row in db.session.scalars(select(Contact))}
    assert [addresses[row_id] for row_id in ids] == ["+13175559876", "+13179876555"]
    assert lookup.find_by_address("317", 2).has_more


@transaction
def add_contacts(*numbers: str) -> None:
    from hub.search import unindexed

    for number in numbers:
        key = address_key(Address.PHONE, number)
        row = Contact(kind=Address.PHONE.value, address=number, address_key=key, test=True)
        db.session.add(row)
        db.session.flush()
        unindexed.mark_contacts([row.id])


@pytest.mark.parametrize("query", ["", " ", "-", "'", "\u0301", "%", "_", "*", "a" * 500, "\x00"])
def test_odd_query_finds_nothing_and_fails_nothing(signing_app: SigningApp, query: str) -> None:
    post_request(signing_app, "Lease")
    index_all()
    assert requests(query) == people(query) == []
