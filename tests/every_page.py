"""Every page and file that an admin can open, for tests of stored data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import select

from hub.db.engine import db
from hub.models import (
    Connection,
    Contact,
    Conversation,
    Message,
    SigningRequest,
    Suppression,
    Template,
)
from tests.conftest import Browser
from tests.effort import sized

ZONES = ("Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Kathmandu", "America/St_Johns", "UTC")
LISTS = (
    "/",
    "/messages",
    "/messages?show=lost",
    "/messages?q=agr-1",
    "/requests",
    "/search",
    "/people",
    "/people?kind=phone",
    "/inbox",
    "/opt-outs",
    "/opt-outs?show=lifted",
    "/receipts",
    "/integrations",
    "/activity",
    "/templates",
    "/unreadable-rows",
    "/webhook-endpoints",
    "/webhook-events",
    "/handlers",
    "/routing",
    "/routing/sent/signer",
    "/codes",
    "/opt-outs/files/opt-outs?test=1",
    "/opt-outs/files/consents?test=1",
)
ONE: tuple[tuple[Any, str], ...] = (
    (Message, "/messages/{}"),
    (Contact, "/contacts/{}"),
    (Contact, "/contacts/{}/data"),
    (SigningRequest, "/requests/{}"),
    (SigningRequest, "/requests/{}/evidence"),
    (SigningRequest, "/requests/{}/evidence.json"),
    (Conversation, "/inbox/{}"),
    (Suppression, "/opt-outs/{}"),
    (Template, "/templates/texts/{}?sample=longest"),
)
EACH = sized(40, 6)  # rows of a table


def paths() -> Iterator[str]:
    """Return the address of every list and file, and of the pages of stored rows."""
    yield from LISTS
    for (slug,) in db.session.execute(select(Connection.slug)).all():
        if slug.isascii() and slug.replace("-", "").isalnum():
            yield from (f"/connections/{slug}", f"/connections/{slug}/rules")
    for model, path in ONE:
        query = select(model.id).order_by(model.id.desc()).limit(EACH)
        if model is Suppression:
            query = query.where(Suppression.lifted_at.is_(None))
        for (row_id,) in db.session.execute(query).all():
            if "?" not in row_id:  # a damaged id has no address
                yield path.format(row_id)


def assert_all_open(admin: Browser, zone: str = "UTC") -> None:
    """Check that every page and file answers 200 to a reader in this time zone."""
    admin.client.set_cookie("tz", zone, domain="127.0.0.1")
    failed = []
    for path in list(paths()):
        db.session.rollback()
        page = admin.get(path)
        if page.status_code != 200:
            failed.append((path, page.status_code))
    assert not failed
