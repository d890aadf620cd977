"""The API as people would write it first, without Signpost: Flask-SQLAlchemy, and one RQ job per
message.

A key is looked up, the body is checked by hand, the request, its signer, the event and a rendered
message are stored in one commit, and a job is enqueued that would send the message. Nothing is
encrypted, and nothing detects repeats, opt-outs or consents. SQLite gets WAL, which is kinder than
its default. It runs on the hub's own server with the same options.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from typing import Any

from flask import Flask, abort, request
from flask_sqlalchemy import SQLAlchemy
from redis import Redis
from rq import Queue
from sqlalchemy import ForeignKey, event
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from hub.core import config
from hub.run import web_server

TEXT = 'You\'ve been sent "{title}" by {sender}. Please review & sign: {url}'
KEY = "BENCH_API_KEY"


class Base(DeclarativeBase):
    """The tables of this application."""


db = SQLAlchemy(model_class=Base)


class ApiKey(Base):
    __tablename__ = "api_keys"

    key: Mapped[str] = mapped_column(primary_key=True)


class SigningRequest(Base):
    __tablename__ = "requests"

    id: Mapped[int] = mapped_column(primary_key=True)
    external_id: Mapped[str] = mapped_column(unique=True)
    title: Mapped[str]
    sender: Mapped[str]
    signers: Mapped[list[Signer]] = relationship(back_populates="request")


class Signer(Base):
    __tablename__ = "signers"

    id: Mapped[int] = mapped_column(primary_key=True)
    request_id: Mapped[int] = mapped_column(ForeignKey("requests.id"), index=True)
    external_id: Mapped[str]
    name: Mapped[str]
    mobile_number: Mapped[str]
    signing_url: Mapped[str]
    request: Mapped[SigningRequest] = relationship(back_populates="signers")


class Event(Base):
    __tablename__ = "events"

    id: Mapped[int] = mapped_column(primary_key=True)
    request_id: Mapped[int] = mapped_column(ForeignKey("requests.id"), index=True)
    type: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))


class Message(Base):
    __tablename__ = "messages"

    id: Mapped[int] = mapped_column(primary_key=True)
    signer_id: Mapped[int] = mapped_column(ForeignKey("signers.id"), index=True)
    text: Mapped[str]
    status: Mapped[str] = mapped_column(default="queued", index=True)
    created_at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))


def application() -> Flask:
    """Return the application on the database BENCH_DATABASE and the queue BENCH_QUEUE."""
    app = Flask("plain")
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{os.environ['BENCH_DATABASE']}"
    db.init_app(app)
    with app.app_context():
        event.listen(db.engine, "connect", use_wal)  # not on engines of the hub
    queue = Queue("plain", connection=Redis(unix_socket_path=os.environ["BENCH_QUEUE"]))

    @app.post("/api/v1/events")
    def receive() -> tuple[dict[str, Any], int]:
        key = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if db.session.get(ApiKey, key) is None:
            abort(401)
        posted = request.get_json()
        if "type" not in posted or "id" not in posted.get("request", {}):
            abort(422)
        messages = store(posted)
        db.session.commit()
        for message in messages:
            queue.enqueue(send, message.id)
        return {"messages": [{"id": message.id} for message in messages]}, 202

    return app


def store(posted: dict[str, Any]) -> list[Message]:
    """Store the request with its signers, the event, and a message for each signer."""
    about = posted["request"]
    query = db.select(SigningRequest).filter_by(external_id=about["id"])
    row = db.session.scalar(query)
    if row is None:
        row = SigningRequest(
            external_id=about["id"], title=about["title"], sender=about["sender"]["name"]
        )
        row.signers = [
            Signer(
                external_id=signer["id"],
                name=signer["name"],
                mobile_number=signer["mobile_number"],
                signing_url=signer["signing_url"],
            )
            for signer in posted["signers"]
        ]
        db.session.add(row)
    db.session.flush()
    db.session.add(Event(request_id=row.id, type=posted["type"]))
    messages = [
        Message(
            signer_id=signer.id,
            text=TEXT.format(title=row.title, sender=row.sender, url=signer.signing_url),
        )
        for signer in row.signers
    ]
    db.session.add_all(messages)
    return messages


def send(message_id: int) -> None:
    """Send a message. No worker runs while the API is measured."""
    raise NotImplementedError(message_id)


def use_wal(connection: Any, _: Any) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA busy_timeout=10000")


class Plain(web_server.Web):
    """A gunicorn with the options of `hub web` and this application."""

    def load(self) -> Any:
        return application()


def prepare() -> None:
    """Create the tables and the key."""
    with application().app_context():
        Base.metadata.create_all(db.engine)
        db.session.add(ApiKey(key=os.environ[KEY]))
        db.session.commit()


if __name__ == "__main__":
    # by its real name, since the jobs of RQ name it: run as a program it would be __main__.send
    from benchmarks.peers import plain_api

    if sys.argv[1:] == ["prepare"]:
        plain_api.prepare()
    else:
        plain_api.Plain(config.load()).run()
