"""After any changes, the index holds the words of what is stored, and nothing else."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from hub.core.vocabulary import Address
from hub.db.engine import db
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.models import AddressPart, Contact, ContactWord, RequestWord, SearchPrefix, SigningRequest
from hub.search import documents, indexing, word_keys
from hub.search.documents import Document
from hub.signing import contact_erasure
from tests.effort import examples
from tests.hub_fixtures import SigningApp, event_body
from tests.search.index_steps import index_all, person, post_request

NAMES = ("Eric Smith", "Zoë O'Brien", "王小明", "Eric Berg", "-", "Smith Smithson", "ﬁrma Ⅳ")
NUMBERS = [f"+1317555120{digit}" for digit in range(3)]
STEPS = st.tuples(
    st.sampled_from(["post", "title", "name", "erase", "index"]),
    st.integers(0, len(NUMBERS) - 1),
    st.sampled_from(NAMES),
)


@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEPS, min_size=3, max_size=10))
def test_index_equals_what_is_stored_after_any_changes(
    signing_app: SigningApp, steps: list[tuple[str, int, str]]
) -> None:
    for step, number, name in steps:
        perform(signing_app, step, number, name)
    index_all()
    assert stored_entries() == expected_entries()


def perform(app: SigningApp, step: str, number: int, name: str) -> None:
    """Perform one change, or index one batch."""
    if step == "post":
        signer = person(f"S{number}", NUMBERS[number]) | {"name": name}
        post_request(app, f"Lease {number}", signer)
    elif step == "title":
        body = event_body()
        body["request"] = {"id": f"Lease {number}", "title": name}
        assert app.post("/events", body).status_code == 202
    elif step == "name":
        get_or_create_contact(Address.PHONE, NUMBERS[number], test=True, name=name)
    elif step == "erase":
        contact = get_or_create_contact(Address.PHONE, NUMBERS[number], test=True)
        contact_erasure.erase_contact(contact.id, reason="By letter, 3 November.")
    else:
        indexing.index_next()
    db.session.rollback()


def stored_entries() -> dict[str, set[Any]]:
    """Return all rows of the index."""
    return {
        model.__tablename__: {tuple(row) for row in db.session.execute(select(*columns))}
        for model, columns in (
            (ContactWord, (ContactWord.contact_id, ContactWord.word)),
            (RequestWord, (RequestWord.request_id, RequestWord.word)),
            (SearchPrefix, (SearchPrefix.prefix, SearchPrefix.word)),
            (AddressPart, (AddressPart.contact_id, AddressPart.part)),
        )
    }


def expected_entries() -> dict[str, set[Any]]:
    """Return the rows for what is stored now."""
    key = word_keys.read_key()
    contacts = documents.read_contacts(db.session.scalars(select(Contact.id)).all())
    requests = documents.read_requests(db.session.scalars(select(SigningRequest.id)).all())
    words = {word for row in (*contacts.values(), *requests.values()) for word in row.words}
    hashes = word_keys.hash_words(key, words)

    def entries(rows: dict[str, Document]) -> set[tuple[str, int]]:
        return {(row_id, hashes[word]) for row_id, row in rows.items() for word in row.words}

    return {
        "contact_words": entries(contacts),
        "request_words": entries(requests),
        "search_prefixes": {
            (prefix, hashes[word])
            for word in words
            for prefix in word_keys.hash_prefixes(key, word)
        },
        "address_parts": {(row_id, part) for row_id, row in contacts.items() for part in row.parts},
    }
