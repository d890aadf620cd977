"""Names, titles and addresses are found soon after they are stored, and never after erasure."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from hub.core.vocabulary import Address
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.intake import purge
from hub.messaging.contacts import merging
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.models import (
    AddressPart,
    Contact,
    ContactWord,
    RequestWord,
    SearchPrefix,
    SigningRequest,
    UnindexedRow,
)
from hub.search import documents, entries, indexing, progress, unindexed, word_keys
from hub.shared.address_keys import address_keys
from hub.signing import contact_erasure
from tests.hub_fixtures import ANNA, ERIC, SigningApp, count, event_body
from tests.search.index_steps import index_all, people, person, post_request, requests

INDEX = (ContactWord, RequestWord, SearchPrefix, AddressPart)


def test_request_is_found_by_title_sender_and_signers(signing_app: SigningApp) -> None:
    post_request(signing_app, "Employment Agreement 2026", person("Zoë Müller-Łukasz"))
    post_request(signing_app, "Lease of Elm Street", person("Anna Berg", ANNA))
    index_all()
    for query in ("employ", "AGREEMENT 2026", "zoe", "Muller", "lukasz zoë", "mül agr"):
        assert requests(query) == ["Employment Agreement 2026"], query
    assert len(requests("acme hr")) == 2
    assert requests("employment street") == []
    assert requests("ployment") == []
    assert people("zoe mu") == [ERIC]


def test_request_is_found_by_an_email_address_without_messages(signing_app: SigningApp) -> None:
    """The messages go to the number of the signer."""
    post_request(signing_app, "Lease", person("Eric Smith", email="e.smith@old.example"))
    post_request(signing_app, "Loan", person("Anna Berg", ANNA))
    index_all()
    for query in ("e.smith@old.example", "smith@old", "OLD.example"):
        assert requests(query) == ["Lease"], query
    body = event_body(signers=[person("Eric Smith", email="eric@new.example")])
    body["request"] |= {"id": "Lease"}
    assert signing_app.post("/events", body).status_code == 202
    index_all()
    assert requests("e.smith@old.example") == []
    assert requests("eric@new.example") == ["Employment Agreement"], "its title is new too"


def test_request_is_found_by_a_phone_number_without_messages(signing_app: SigningApp) -> None:
    """The messages go to the email address of the signer."""
    by_email = {"send_to": {"mobile_number": False, "email": True}}
    eric = person("Eric Smith", email="eric@example.com", **by_email)
    post_request(signing_app, "Lease", eric)
    post_request(signing_app, "Loan", person("Anna Berg", ANNA))
    index_all()
    assert people(ERIC) == []
    found = [
        "+1 317 555 1234",
        "(317) 555-1234",
        "1-317-555-1234",
        "555 1234",
        "1234",
        "００１２３４",
    ]
    for query in found:
        assert requests(query) == ["Lease"], query
    for query in ("234", "3175", "555 12", "9 1234", "1234 smith"):
        assert requests(query) == [], query
    assert requests("020 7123 4567") == ["Loan"], "a national number begins with a zero"
    assert requests("+44 (0) 20 7123 4567") == ["Loan"]
    body = event_body(signers=[{**eric, "mobile_number": "+13175559876"}])
    body["request"] |= {"id": "Lease", "title": "Lease"}
    assert signing_app.post("/events", body).status_code == 202
    index_all()
    assert requests(ERIC) == []
    assert requests("9876") == ["Lease"]


def test_contact_is_found_by_any_part_of_an_address(signing_app: SigningApp) -> None:
    post_request(signing_app, "Lease", person("Eric Smith", email="Eric.Smith@mail.acme.example"))
    post_request(signing_app, "Loan", person("Anna Berg", ANNA))
    get_or_create_contact(Address.EMAIL, "eric.smith@mail.acme.example", test=True)
    index_all()
    for query in ("51234", "+1 317", "317-555", "(317) 555-1234", "755512"):
        assert people(query) == [ERIC], query
    assert people("02071234567") == [ANNA], "a national number begins with a zero"
    for query in ("smith@mail", "ric.smi", "acme.exa", "@mail.acme", "ERIC.SMITH@"):
        assert "eric.smith@mail.acme.example" in people(query), query
    assert people("99") == people("9999") == people("cme.exa") == []


def test_change_is_found_by_its_new_words_only(signing_app: SigningApp) -> None:
    post_request(signing_app, "Lease", person("Eric Smith", id="eric"))
    index_all()
    body = event_body(signers=[person("Erich Schmidt", id="eric")])
    body["request"] |= {"id": "Lease", "title": "Rental contract"}
    signing_app.post("/events", body)
    get_or_create_contact(Address.PHONE, ERIC, test=True, name="Erich Schmidt")
    assert requests("lease") == ["Rental contract"], "not yet indexed"
    index_all()
    assert requests("lease") == people("smith") == []
    assert requests("rental") == requests("schmidt") == ["Rental contract"]
    assert people("erich") == [ERIC]


def test_event_without_new_names_marks_nothing(signing_app: SigningApp) -> None:
    post_request(signing_app, "Lease", person("Eric"))
    index_all()
    body = event_body("request.viewed", signer=person("Eric"))
    body["request"] = {"id": "Lease"}
    assert signing_app.post("/events", body).status_code == 202
    assert count(UnindexedRow) == 0


def test_no_word_is_stored_in_clear(signing_app: SigningApp) -> None:
    post_request(signing_app, "Employment", person("Eric"))
    index_all()
    for model in (ContactWord, RequestWord, SearchPrefix):
        assert {type(word) for word in db.session.scalars(select(model.word))} == {int}
    key = word_keys.read_key()
    endings = [f"#{ERIC[start:]}" for start in range(1, len(ERIC) - 3)]
    words = ["employment", "eric", "acme", "hr", *endings]
    expected = set(word_keys.hash_words(key, words).values())
    assert set(db.session.scalars(select(RequestWord.word))) == expected


# ── Nothing is lost ───────────────────────────────────────────────────────────────────────────────
def test_change_during_indexing_is_indexed_again(
    signing_app: SigningApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    post_request(signing_app, "Lease", person("Eric"))
    read_requests = documents.read_requests
    posted: list[str] = []

    def read_and_change(ids: Any) -> Any:
        read = read_requests(ids)
        db.session.rollback()
        if not posted:
            posted.append("Rental")
            body = event_body()
            body["request"] = {"id": "Lease", "title": "Rental"}
            assert signing_app.post("/events", body).status_code == 202
        return read

    monkeypatch.setitem(indexing.READ, unindexed.REQUEST, read_and_change)
    index_all()
    assert requests("rental") == ["Rental"]
    assert requests("lease") == []
    assert count(UnindexedRow) == 0


def test_rows_from_before_the_upgrade_are_indexed_in_steps(
    signing_app: SigningApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "AT_ONCE", 2)
    for number in range(5):
        post_request(signing_app, f"Lease {number}", person("Eric"))
    forget_all()
    assert requests("lease") == []
    indexing.index_next()
    assert requests("lease") == ["Lease 3", "Lease 4"], "the newest are indexed first"
    assert progress.read().indexed_since is not None
    index_all()
    assert len(requests("lease")) == 5
    assert people("eric") == [ERIC]
    assert progress.read().is_done
    assert not indexing.is_due()


@transaction
def forget_all() -> None:
    """Leave the index as an upgrade finds it."""
    for model in (*INDEX, UnindexedRow):
        for row in db.session.scalars(select(model)):
            db.session.delete(row)


def test_new_key_replaces_every_entry(signing_app: SigningApp) -> None:
    post_request(signing_app, "Lease", person("Eric"))
    index_all()
    before = set(db.session.scalars(select(RequestWord.word)))
    db.session.rollback()
    progress.start_again()
    assert requests("lease") == []
    index_all()
    assert requests("lease") == ["Lease"]
    assert people("eric") == people("317555") == [ERIC]
    after = set(db.session.scalars(select(RequestWord.word)))
    assert before.isdisjoint(after)
    assert len(before) == len(after)


def test_row_that_fails_does_not_stop_the_others(
    signing_app: SigningApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    post_request(signing_app, "Bad", person("Eric"))
    post_request(signing_app, "Lease", person("Anna", ANNA))
    index_words = documents.index_words

    def fail(text: str) -> list[str]:
        if text == "Bad":
            raise ArithmeticError
        return index_words(text)

    monkeypatch.setattr(documents, "index_words", fail)
    monkeypatch.setattr(indexing, "_failed", set())
    index_all()
    assert requests("lease") == ["Lease"]
    waiting = set(db.session.scalars(select(UnindexedRow.subject_id)))
    assert len(waiting) == 1, "it is tried again by the next process"


# ── Nothing is left ───────────────────────────────────────────────────────────────────────────────
def test_erasure_leaves_no_entry_of_the_person(signing_app: SigningApp) -> None:
    post_request(signing_app, "Lease", person("Eric Smithson"), person("Anna", ANNA))
    index_all()
    all_ids = {model: count(model) for model in INDEX}
    contact_id = get_or_create_contact(Address.PHONE, ERIC, test=True).id
    contact_erasure.erase_contact(contact_id, reason="By letter, 3 November.")
    key = word_keys.read_key()
    hashes = set(word_keys.hash_words(key, ["eric", "smithson"]).values())
    for model in (ContactWord, RequestWord, SearchPrefix):
        assert not hashes.intersection(db.session.scalars(select(model.word)))
    assert not list(
        db.session.scalars(select(AddressPart).where(AddressPart.contact_id == contact_id))
    )
    prefixes = {word_keys.hash_prefix(key, prefix) for prefix in ("s", "smi", "er", "eric")}
    assert not prefixes.intersection(db.session.scalars(select(SearchPrefix.prefix)))
    assert all(count(model) < all_ids[model] for model in INDEX)
    assert people("anna") == [ANNA]
    assert requests("lease anna") == ["Lease"]
    index_all()
    assert requests("smithson") == people("317555") == []


def test_erasure_before_indexing_leaves_no_entry(signing_app: SigningApp) -> None:
    post_request(signing_app, "Lease", person("Eric Smithson"))
    contact_id = get_or_create_contact(Address.PHONE, ERIC, test=True).id
    contact_erasure.erase_contact(contact_id, reason="By letter, 3 November.")
    index_all()
    assert requests("smithson") == people("smithson") == people("317555") == []


def test_erasure_during_indexing_leaves_no_entry(
    signing_app: SigningApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    post_request(signing_app, "Lease", person("Eric Smithson"))
    contact_id = get_or_create_contact(Address.PHONE, ERIC, test=True).id
    read_contacts = documents.read_contacts

    def read_and_erase(ids: Any) -> Any:
        read = read_contacts(ids)
        db.session.rollback()
        if contact_id in read and db.session.get_one(Contact, contact_id).erased_at is None:
            contact_erasure.erase_contact(contact_id, reason="By letter, 3 November.")
        return read

    monkeypatch.setitem(indexing.READ, unindexed.CONTACT, read_and_erase)
    index_all()
    assert requests("smithson") == people("smithson") == people("317555") == []


def test_retention_deletes_the_entries_of_requests_and_contacts(signing_app: SigningApp) -> None:
    post_request(signing_app, "Lease", person("Eric"))
    unused = get_or_create_contact(Address.PHONE, ANNA, test=True, name="Anna").id
    index_all()
    request_id = db.session.scalars(select(SigningRequest.id)).one()
    db.session.rollback()
    purge._delete_requests([request_id])
    purge._delete_contacts([unused])
    assert count(RequestWord) == 0
    assert people("anna") == people("7123") == []
    assert people("eric") == [ERIC]
    index_all()
    assert requests("lease") == []


def test_old_rows_are_removed_with_their_entries(
    signing_app: SigningApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    post_request(signing_app, "Lease", person("Eric", None))
    index_all()
    purge.delete_old_rows(now() + timedelta(days=1))
    assert count(RequestWord) == count(SearchPrefix) == 0


def test_merged_contacts_are_found_once(hub_demo: Flask) -> None:
    first = "+541123456789"
    second = "+5491123456789"
    for number, name in ((first, "Eva"), (second, "")):
        add_contact_as_written(number, name)
    index_all()
    assert people("eva") == [first]
    merging.merge_contacts(Address.PHONE, second, address_keys(Address.PHONE, second))
    index_all()
    assert len(people("eva")) == 1
    found = set(db.session.scalars(select(ContactWord.contact_id)))
    assert found == set(db.session.scalars(select(Contact.id).where(Contact.kind == "phone")))


@transaction
def add_contact_as_written(number: str, name: str) -> None:
    """Store a contact under its number as it is written, as older versions did."""
    from hub.lib.crypto import blind_index
    from hub.shared.index_key import index_key

    key = blind_index(index_key(), Address.PHONE, number)
    row = Contact(kind=Address.PHONE.value, address=number, address_key=key, test=True)
    row.name = name or None
    db.session.add(row)
    db.session.flush()
    unindexed.mark_contacts([row.id])


def test_entries_equal_a_fresh_index_after_any_changes(signing_app: SigningApp) -> None:
    for title in ("One two", "Two three", "Three"):
        post_request(signing_app, title, person("Eric"))
        index_all()
    body = event_body()
    body["request"] = {"id": "One two", "title": "Three four"}
    signing_app.post("/events", body)
    index_all()
    found = {model: snapshot(model) for model in INDEX}
    forget_all()
    rebuild_with_the_same_key()
    assert {model: snapshot(model) for model in INDEX} == found


def snapshot(model: Any) -> set[tuple[Any, ...]]:
    db.session.rollback()
    return {tuple(row) for row in db.session.execute(select(*model.__table__.columns))}


@transaction
def rebuild_with_the_same_key() -> None:
    key = word_keys.lock_key()
    for kind, column in indexing.IDS.items():
        ids = list(db.session.scalars(select(column)))
        entries.write_entries(key, kind, indexing.READ[kind](ids))
