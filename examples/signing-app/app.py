"""A small signing app that lets Signpost notify its signers.

It shows what a signing app needs, and no more: an outbox, so that no event is lost while Signpost
is away, and a receiver that verifies webhooks and processes each once. Documents, signers, events
and received webhooks are in one SQLite file. `make example` runs it beside a demo hub.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests
from flask import Flask, abort, redirect, render_template, request, url_for
from standardwebhooks import Webhook, WebhookVerificationError
from werkzeug.serving import run_simple
from werkzeug.wrappers import Response

HUB = os.environ.get("SIGNPOST_URL", "http://127.0.0.1:8000")
KEY_FILE = Path(os.environ.get("SIGNPOST_KEY_FILE", "data/demo-key"))
PORT = int(os.environ.get("PORT", "8100"))
OWN_URL = os.environ.get("OWN_URL", f"http://127.0.0.1:{PORT}")
DATABASE = os.environ.get("SIGNING_APP_DATABASE", "data/signing-app.sqlite3")
TIMEOUT = 10  # seconds
LONGEST_PAUSE = 60  # seconds between attempts
TABLES = """
CREATE TABLE IF NOT EXISTS documents (
    id TEXT PRIMARY KEY, title TEXT NOT NULL, sender TEXT NOT NULL, status TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS signers (
    id TEXT PRIMARY KEY, token TEXT UNIQUE, document TEXT NOT NULL REFERENCES documents,
    name TEXT NOT NULL, mobile_number TEXT, email TEXT, status TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS outbox (id TEXT PRIMARY KEY, body TEXT NOT NULL, refusal TEXT);
CREATE TABLE IF NOT EXISTS notices (
    id TEXT PRIMARY KEY, at TEXT NOT NULL, type TEXT NOT NULL, document TEXT, signer TEXT, code TEXT
);
CREATE TABLE IF NOT EXISTS secrets (secret TEXT PRIMARY KEY);
"""

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 256 * 1024
new_event = threading.Event()


@contextmanager
def transaction() -> Iterator[sqlite3.Connection]:
    """Yield a connection whose changes are stored together, or not at all."""
    connection = sqlite3.connect(DATABASE, timeout=10, isolation_level=None)
    connection.row_factory = sqlite3.Row
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")
    finally:
        connection.close()  # rolls back what was not committed


# ── Pages ─────────────────────────────────────────────────────────────────────────────────────────
@app.get("/")
def list_documents() -> str:
    with transaction() as db:
        documents = db.execute("SELECT * FROM documents ORDER BY rowid DESC").fetchall()
        waiting = db.execute("SELECT count(*) FROM outbox WHERE refusal IS NULL").fetchone()[0]
        refused = db.execute("SELECT * FROM outbox WHERE refusal IS NOT NULL").fetchall()
    return render_template("documents.html", documents=documents, waiting=waiting, refused=refused)


@app.post("/documents")
def send_document() -> Response:
    """Store a document with its signers, and the event that lets Signpost notify them."""
    document = f"doc-{secrets.token_hex(4)}"
    columns = [request.form.getlist(name) for name in ("name", "mobile_number", "email")]
    signers = [
        (f"{document}-{number}", secrets.token_urlsafe(16), document, *person)
        for number, person in enumerate(zip(*columns, strict=True), 1)
        if person[0].strip()
    ]
    if not signers:
        abort(400, "Enter the name of a signer.")
    with transaction() as db:
        db.execute(
            "INSERT INTO documents VALUES (?, ?, ?, 'sent')",
            (document, request.form["title"], request.form["sender"]),
        )
        db.executemany("INSERT INTO signers VALUES (?, ?, ?, ?, ?, ?, 'sent')", signers)
        add_event(db, "request.sent", document)
    return to_document(document)


@app.get("/documents/<document>")
def show_document(document: str) -> str:
    with transaction() as db:
        row = db.execute("SELECT * FROM documents WHERE id = ?", (document,)).fetchone()
        signers = read_signers(db, document)
        query = "SELECT * FROM notices WHERE document = ? ORDER BY at"
        notices = db.execute(query, (document,)).fetchall()
    if row is None:
        abort(404)
    parts = {"document": row, "signers": signers, "notices": notices, "hub": HUB}
    return render_template("document.html", **parts)


@app.post("/documents/<document>/<any(remind, cancel):action>")
def remind_or_cancel(document: str, action: str) -> Response:
    with transaction() as db:
        if action == "cancel":
            db.execute("UPDATE documents SET status = 'canceled' WHERE id = ?", (document,))
        add_event(db, "request.reminder" if action == "remind" else "request.canceled", document)
    return to_document(document)


@app.get("/sign/<token>")
def show_signing_page(token: str) -> str:
    """Show the document to a signer, and report that it was opened."""
    with transaction() as db:
        signer, document = find_signer(db, token)
        if signer["status"] == "sent":
            db.execute("UPDATE signers SET status = 'viewed' WHERE token = ?", (token,))
            add_event(db, "request.viewed", document["id"], signer=signer["id"])
    return render_template("sign.html", signer=signer, document=document)


@app.post("/sign/<token>")
def sign(token: str) -> Response:
    """Record a signature or a refusal once, and complete the document with the last signature."""
    decision = "signed" if request.form["decision"] == "sign" else "declined"
    with transaction() as db:
        signer, document = find_signer(db, token)
        if document["status"] == "sent" and signer["status"] in ("sent", "viewed"):
            db.execute("UPDATE signers SET status = ? WHERE token = ?", (decision, token))
            add_event(db, f"request.{decision}", document["id"], signer=signer["id"])
            states = {row["status"] for row in read_signers(db, document["id"])}
            if decision == "declined" or states == {"signed"}:
                end = "declined" if decision == "declined" else "completed"
                db.execute("UPDATE documents SET status = ? WHERE id = ?", (end, document["id"]))
            if states == {"signed"}:
                add_event(db, "request.completed", document["id"])
    return redirect(url_for("show_signing_page", token=token), 303)


def to_document(document: str) -> Response:
    return redirect(url_for("show_document", document=document), 303)


def find_signer(db: sqlite3.Connection, token: str) -> tuple[sqlite3.Row, sqlite3.Row]:
    signer = db.execute("SELECT * FROM signers WHERE token = ?", (token,)).fetchone()
    if signer is None:
        abort(404)
    found = db.execute("SELECT * FROM documents WHERE id = ?", (signer["document"],)).fetchone()
    return signer, found


def read_signers(db: sqlite3.Connection, document: str) -> list[sqlite3.Row]:
    return db.execute(
        "SELECT * FROM signers WHERE document = ? ORDER BY rowid", (document,)
    ).fetchall()


# ── Events to Signpost ────────────────────────────────────────────────────────────────────────────
def add_event(
    db: sqlite3.Connection, event_type: str, document: str, signer: str | None = None
) -> None:
    """Store an event in the same transaction as the change that it reports."""
    row = db.execute("SELECT * FROM documents WHERE id = ?", (document,)).fetchone()
    if row is None:
        abort(404)
    event: dict[str, Any] = {
        "type": event_type,
        "id": f"evt-{uuid.uuid4()}",
        "occurred_at": datetime.now(UTC).isoformat(),
        "request": {
            "id": document,
            "title": row["title"],
            "sender": {"name": row["sender"]},
            "url": f"{OWN_URL}/documents/{document}",
        },
    }
    if signer:
        event["signer"] = signer
    if event_type in ("request.sent", "request.completed"):
        event["signers"] = [
            {
                "id": signer_row["id"],
                "name": signer_row["name"],
                "mobile_number": signer_row["mobile_number"] or None,
                "email": signer_row["email"] or None,
                "signing_url": f"{OWN_URL}/sign/{signer_row['token']}",
                "download_url": f"{OWN_URL}/sign/{signer_row['token']}",
            }
            for signer_row in read_signers(db, document)
        ]
    db.execute("INSERT INTO outbox (id, body) VALUES (?, ?)", (event["id"], json.dumps(event)))
    new_event.set()


def post_events() -> None:
    """Post the events of the outbox in their order, until each has a final answer."""
    pause = 1
    while True:
        new_event.clear()
        try:
            while post_next_event():
                pause = 1
            new_event.wait(LONGEST_PAUSE)
        except (requests.RequestException, OSError):  # the first page shows how many wait
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)


def post_next_event() -> bool:
    """Post the oldest event, and return whether there was one. Raises if it must be repeated."""
    with transaction() as db:
        query = "SELECT * FROM outbox WHERE refusal IS NULL ORDER BY rowid LIMIT 1"
        row = db.execute(query).fetchone()
    if row is None:
        return False
    answer = call_hub("/api/v1/events", row["body"], key=row["id"])
    with transaction() as db:
        if answer.ok:
            db.execute("DELETE FROM outbox WHERE id = ?", (row["id"],))
        else:  # repeating does not help: the reason is shown on the first page
            refusal = (answer.json()["detail"], row["id"])
            db.execute("UPDATE outbox SET refusal = ? WHERE id = ?", refusal)
    return True


def call_hub(path: str, body: str, *, key: str) -> requests.Response:
    """Post to Signpost's API. Raises if the same call should be made again later."""
    headers = {
        "Authorization": f"Bearer {KEY_FILE.read_text().strip()}",
        "Content-Type": "application/json",
        "Idempotency-Key": key,
    }
    answer = requests.post(HUB + path, data=body, headers=headers, timeout=TIMEOUT)
    if answer.status_code in (401, 403, 408, 409, 425, 429) or answer.status_code >= 500:
        answer.raise_for_status()
    return answer


# ── Webhooks from Signpost ────────────────────────────────────────────────────────────────────────
def subscribe() -> None:
    """Create a webhook endpoint at Signpost once, and keep its secret."""
    while read_secret() is None:
        wish = {"url": f"{OWN_URL}/webhooks", "events": ["*"], "description": "Example signing app"}
        try:
            answer = call_hub("/api/v1/webhook-endpoints", json.dumps(wish), key=f"hook-{OWN_URL}")
            answer.raise_for_status()
        except (requests.RequestException, OSError):
            time.sleep(1)
            continue
        with transaction() as db:
            db.execute("INSERT INTO secrets VALUES (?)", (answer.json()["secret"],))


def read_secret() -> str | None:
    with transaction() as db:
        return next((row["secret"] for row in db.execute("SELECT secret FROM secrets")), None)


@app.post("/webhooks")
def receive_webhook() -> tuple[str, int]:
    """Verify a webhook, and store it once, although Signpost may send it again."""
    if (secret := read_secret()) is None:
        return "The app has no webhook endpoint yet.", 503
    try:
        event = Webhook(secret).verify(request.get_data(), dict(request.headers))
    except WebhookVerificationError:
        return "The signature does not match.", 401
    values = [event[name] for name in ("id", "at", "type", "request_external_id", "signer", "code")]
    with transaction() as db:
        db.execute("INSERT OR IGNORE INTO notices VALUES (?, ?, ?, ?, ?, ?)", values)
    return "", 204


def main() -> None:
    """Create the tables, and run the app, its outbox and its subscription."""
    Path(DATABASE).parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(DATABASE) as connection:
        connection.executescript("PRAGMA journal_mode=WAL;" + TABLES)
    for work in (subscribe, post_events):
        threading.Thread(target=work, daemon=True).start()
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # its lines would hide the hub's
    run_simple("127.0.0.1", PORT, app, threaded=True)


if __name__ == "__main__":
    main()
