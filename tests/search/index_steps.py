"""Index what is due, and search."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from hub.db.engine import db
from hub.models import Contact, SigningRequest
from hub.search import indexing, lookup
from tests.hub_fixtures import ERIC, SigningApp, event_body, signer_body


def index_all() -> None:
    """Index until nothing is due."""
    while indexing.index_next():
        pass
    db.session.rollback()


def people(query: str) -> list[str]:
    """Return the addresses of the contacts that a query finds, by name and by address."""
    db.session.rollback()
    ids = {
        *lookup.find_contacts(query, 20).ids,
        *lookup.find_by_address(query, 20).ids,
    }
    return sorted(db.session.scalars(select(Contact.address).where(Contact.id.in_(ids))))


def requests(query: str) -> list[str]:
    """Return the titles of the requests that a query finds."""
    db.session.rollback()
    ids = lookup.find_requests(query, 20).ids
    rows = db.session.scalars(select(SigningRequest).where(SigningRequest.id.in_(ids)))
    return sorted(row.title or "" for row in rows)


def person(name: str, number: str | None = ERIC, **fields: Any) -> dict[str, Any]:
    """Return a signer whose ID is the first word of the name."""
    signer = signer_body(name.split()[0], number)
    return {**signer, "name": name, **fields}


def post_request(app: SigningApp, title: str, *signers: dict[str, Any], **fields: Any) -> str:
    """Post a request whose ID in the app is its title, and return the ID of the event."""
    body = event_body(signers=list(signers))
    body["request"] |= {"id": title, "title": title, **fields}
    answer = app.post("/events", body)
    assert answer.status_code == 202, answer.text
    return str(answer.get_json()["event"]["id"])
