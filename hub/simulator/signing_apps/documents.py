"""The documents of the simulated signing apps, with their signers and posted webhooks."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from hub.simulator.context import SimulatorContext

Document = dict[str, Any]
Signer = dict[str, Any]
MAX_DOCUMENTS = 50  # documents of one app
MAX_LENGTH = 200  # characters of a title, a name or an address
MAX_SIGNERS = 50


def list_documents(simulator: SimulatorContext, app: str) -> list[Document]:
    """Return the documents of an app, newest first."""
    return list(reversed(simulator.records.all(app).values()))


def find_document(simulator: SimulatorContext, app: str, document_id: str) -> Document | None:
    """Return a document, or None."""
    return simulator.records.get(app, document_id)


def create_document(
    simulator: SimulatorContext, app: str, title: str, signers: list[Signer]
) -> Document:
    """Create a document that is not sent yet. Raises ValueError."""
    if not title.strip() or not signers:
        raise ValueError("Enter a title and at least one signer.")
    document: Document = {
        "id": secrets.token_hex(12),
        "number": simulator.records.next_number(f"{app} document"),
        "title": title.strip()[:MAX_LENGTH],
        "state": "draft",
        "created_at": format_time(datetime.now(UTC)),
        "updated_at": format_time(datetime.now(UTC)),
        "signers": signers,
        "webhooks": [],
        "ticks": 0,
    }
    save(simulator, app, document)
    simulator.records.keep_newest(app, MAX_DOCUMENTS)
    return document


def save(simulator: SimulatorContext, app: str, document: Document) -> None:
    """Store a document."""
    simulator.records.put(app, document["id"], document)


def read_signers(text: str, *, email_on: bool = True, phone_on: bool = True) -> list[Signer]:
    """Return the signers in lines such as `Eric Smith, eric@example.com, 317-123-1234`.

    Raises ValueError.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > MAX_SIGNERS:
        raise ValueError(f"Enter at most {MAX_SIGNERS} signers.")
    signers = []
    for number, line in enumerate(lines, 1):
        name, *addresses = (part.strip()[:MAX_LENGTH] for part in line.split(","))
        email = next((part for part in addresses if "@" in part), "")
        phone = next((part for part in addresses if part and "@" not in part), "")
        signers.append(
            {
                "id": f"signer-{number}",
                "number": secrets.randbelow(10**9) + 1,
                "token": secrets.token_urlsafe(15),
                "name": name,
                "email": email,
                "phone": phone,
                "email_on": email_on,
                "phone_on": phone_on,
                "state": "waiting",
                "acted_at": None,
                "opened": False,
            }
        )
    return signers


def next_time(document: Document) -> str:
    """Return the time of the next event: later than all before, also of events at once."""
    document["ticks"] += 1
    created_at = datetime.fromisoformat(document["created_at"])
    earliest = created_at + timedelta(milliseconds=document["ticks"])
    document["updated_at"] = format_time(max(datetime.now(UTC), earliest))
    return str(document["updated_at"])


def format_time(time: datetime) -> str:
    """Return a time as both apps write it: UTC with milliseconds and Z."""
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
