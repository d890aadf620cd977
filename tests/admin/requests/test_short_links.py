"""Short links: what people, robots and strangers get, and what is counted."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from crawleruseragents import CRAWLER_USER_AGENTS_DATA
from flask import Flask
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from hub.accounts import rate_limits
from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.endpoints.catalog import LINK_OPENED
from hub.intake import purge, retention
from hub.lib import short_codes
from hub.messaging.compose import resend
from hub.messaging.track.timeline import timeline
from hub.models import Contact, Link, Message, MessageBody, PlatformEvent, StatusEvent
from hub.signing import accept, contact_erasure
from hub.signing.events import EventIn
from tests.hub_fixtures import ANNA, event_body, signer_body, source_id
from tests.hub_fixtures import hub_demo as hub_demo
from tests.short_link_steps import PHONE

ROBOTS = [
    "WhatsApp/2.23.20.0 A",
    "TelegramBot (like TwitterBot)",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "facebookexternalhit/1.1 Facebot Twitterbot/1.0",
    "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
    "LinkedInBot/1.0 (compatible; Mozilla/5.0)",
    "curl/8.5.0",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "TwilioProxy/1.1",
    "",
]
ROBOTS += sorted(
    {entry["instances"][0] for entry in CRAWLER_USER_AGENTS_DATA[:80:2] if entry["instances"]}
    - set(ROBOTS)
)[: 30 - len(ROBOTS)]
ERIC_URL = "https://sign.example/r/eric?token=a%20b#page"


@pytest.fixture(autouse=True)
def _unlimited(hub_demo: Flask) -> Iterator[None]:
    rate_limits.limiter.reset()
    yield
    rate_limits.limiter.reset()


def post(kind: str = "request.sent", **fields: Any) -> dict[str, Any]:
    """Post an event with its signers."""
    signers = fields.pop("signers", [signer_body("Eric", signing_url=ERIC_URL)])
    event = EventIn.model_validate(event_body(kind, signers=signers, **fields))
    answer = accept.accept_event(event, source_id(), test=True)
    db.session.rollback()
    return answer


def text_of(message_id: str) -> str:
    return str(db.session.get_one(MessageBody, message_id).content["text"])


def send(**fields: Any) -> tuple[str, str]:
    """Post an invitation by SMS, and return its message and the path of its link."""
    answer = post(**fields)
    [sms] = [item["id"] for item in answer["messages"] if item["channel"] == "sms"]
    return sms, path_in(text_of(sms))


def path_in(text: str) -> str:
    found = re.search(r"http://[^/]+(/l/[0-9A-Za-z]{11})\b", text)
    assert found, text
    return found[1]


def visit(app: Flask, path: str, agent: str = PHONE, method: str = "GET", **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    client = app.test_client(use_cookies=False)
    return client.open(path, method=method, headers={"User-Agent": agent, **named})


def link() -> Link:
    db.session.rollback()
    return db.session.scalars(select(Link)).one()


def assert_opens_nothing(app: Flask, path: str) -> None:
    """Assert that a link gets the answer of one that never existed."""
    answer = visit(app, path)
    unknown = visit(app, f"/l/{short_codes.new_code()}")
    assert (answer.status_code, answer.data) == (404, unknown.data)
    assert sorted(answer.headers.items()) == sorted(unknown.headers.items())


# ── People ────────────────────────────────────────────────────────────────────────────────────────
def test_person_is_redirected_to_the_signing_url_and_nothing_else(hub_demo: Flask) -> None:
    _, path = send()
    answer = visit(hub_demo, path)
    assert (answer.status_code, answer.headers["Location"]) == (302, ERIC_URL)
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert "Set-Cookie" not in answer.headers
    elsewhere = visit(hub_demo, f"{path}?url=https://evil.example&next=//evil.example")
    assert elsewhere.headers["Location"] == ERIC_URL


def test_each_person_and_each_message_has_a_link_of_its_own(hub_demo: Flask) -> None:
    answer = post(signers=[signer_body("Eric"), signer_body("Anna", ANNA)])
    reminder = post("request.reminder", signers=None)
    paths = [
        path_in(text_of(item["id"]))
        for item in answer["messages"] + reminder["messages"]
        if item["channel"] == "sms"
    ]
    targets = [visit(hub_demo, path).headers["Location"] for path in paths]
    assert len(set(paths)) == 4
    assert (
        sorted(targets) == ["https://sign.example/r/anna"] * 2 + ["https://sign.example/r/eric"] * 2
    )


def test_only_the_digest_of_a_code_and_an_encrypted_target_are_stored(hub_demo: Flask) -> None:
    _, path = send()
    code = path.removeprefix("/l/")
    row = link()
    assert row.digest == short_codes.digest_of(code)
    for value in vars(row).values():
        assert code not in str(value)
        assert "sign.example" not in str(value)


def test_opens_are_counted_and_reported_once(hub_demo: Flask) -> None:
    message_id, path = send()
    for _ in range(3):
        visit(hub_demo, path)
    row = link()
    assert row.opens == 3
    assert row.opened_at is not None
    assert row.last_opened_at is not None
    assert row.opened_at <= row.last_opened_at
    events = db.session.scalars(
        select(PlatformEvent).where(PlatformEvent.type == LINK_OPENED)
    ).all()
    assert [event.message_id for event in events] == [message_id]
    facts = select(StatusEvent).where(StatusEvent.provider_status == "link opened")
    assert [fact.status for fact in db.session.scalars(facts)] == [None]


def test_two_opens_at_once_count_two(hub_demo: Flask) -> None:
    _, path = send()
    barrier = threading.Barrier(2)

    def open_it() -> None:
        barrier.wait(10)
        assert visit(hub_demo, path).status_code == 302

    threads = [threading.Thread(target=open_it) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert link().opens == 2
    events = db.session.scalars(
        select(PlatformEvent).where(PlatformEvent.type == LINK_OPENED)
    ).all()
    assert len(events) == 1


# ── Robots ────────────────────────────────────────────────────────────────────────────────────────
def test_a_thousand_previews_by_thirty_robots_count_nothing(hub_demo: Flask) -> None:
    _, path = send()
    assert len(set(ROBOTS)) == 30
    for number in range(1000):
        answer = visit(hub_demo, path, ROBOTS[number % 30])
        assert answer.status_code == 200
        assert "Location" not in answer.headers
        assert "sign.example" not in answer.text
        assert "Eric" not in answer.text
    assert link().opens == 0
    assert visit(hub_demo, path).status_code == 302


@pytest.mark.parametrize(
    "headers",
    [{"Sec_Purpose": "prefetch;prerender"}, {"Purpose": "prefetch"}, {"X_Purpose": "preview"}],
)
def test_page_loaded_in_advance_is_not_counted(hub_demo: Flask, headers: dict[str, str]) -> None:
    _, path = send()
    answer = visit(hub_demo, path, **headers)
    assert (answer.status_code, answer.headers.get("Location")) == (200, None)
    assert link().opens == 0


def test_head_is_not_redirected_and_not_counted(hub_demo: Flask) -> None:
    _, path = send()
    answer = visit(hub_demo, path, method="HEAD")
    assert (answer.status_code, answer.headers.get("Location"), answer.data) == (200, None, b"")
    assert link().opens == 0


# ── Links that open nothing ───────────────────────────────────────────────────────────────────────
CODES = st.one_of(
    st.text(short_codes.ALPHABET, min_size=1, max_size=40),
    st.text(max_size=60),
    st.binary(max_size=20).map(lambda raw: "".join(f"%{byte:02x}" for byte in raw)),
)


@example(code="")
@example(code="%00")
@example(code="../../healthz")
@example(code="a/b/c")
@example(code="%0d%0aLocation:%20https://evil.example")
@given(code=CODES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_wrong_code_of_any_form_gets_the_same_page(hub_demo: Flask, code: str) -> None:
    rate_limits.limiter.reset()
    environ = {"PATH_INFO": f"/l/{code}".encode("utf-8", "replace").decode("latin-1")}
    client = hub_demo.test_client(use_cookies=False)
    answer = client.get("/l/x", headers={"User-Agent": PHONE}, environ_overrides=environ)
    expected = visit(hub_demo, "/l/00000000000")
    assert (answer.status_code, answer.data) == (404, expected.data)
    assert sorted(answer.headers.items()) == sorted(expected.headers.items())


@given(position=st.integers(0, 10), char=st.sampled_from(short_codes.ALPHABET))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_code_with_another_character_opens_nothing(
    hub_demo: Flask, position: int, char: str
) -> None:
    rate_limits.limiter.reset()
    if db.session.scalar(select(Link.id)) is None:
        send()
    sms = db.session.scalars(select(Message.id).where(Message.channel == "sms")).first()
    assert sms is not None
    code = path_in(text_of(sms)).removeprefix("/l/")
    wrong = code[:position] + char + code[position + 1 :]
    assert visit(hub_demo, f"/l/{wrong}").status_code == (302 if wrong == code else 404)
    assert visit(hub_demo, f"/l/{code}0").status_code == 404


def test_canceled_request_ends_its_links_for_good(hub_demo: Flask) -> None:
    _, path = send()
    post("request.canceled", signers=None)
    assert_opens_nothing(hub_demo, path)
    assert link().url == ""
    [new] = [item for item in post("request.sent")["messages"] if item["channel"] == "sms"]
    assert_opens_nothing(hub_demo, path)
    assert visit(hub_demo, path_in(text_of(new["id"]))).status_code == 302


def test_cancellation_that_a_newer_event_overtook_ends_no_link(hub_demo: Flask) -> None:
    _, path = send()
    post("request.canceled", signers=None, occurred_at=(now() - timedelta(days=1)).isoformat())
    assert visit(hub_demo, path).status_code == 302


def test_removed_signer_loses_the_link_and_the_others_keep_theirs(hub_demo: Flask) -> None:
    answer = post(signers=[signer_body("Eric"), signer_body("Anna", ANNA)])
    eric, anna = (path_in(text_of(item["id"])) for item in answer["messages"])
    post("request.viewed", signers=None, signer="anna", signers_removed=["eric"])
    assert_opens_nothing(hub_demo, eric)
    assert visit(hub_demo, anna).status_code == 302


@pytest.mark.parametrize("kind", ["completed", "declined", "expired"])
def test_link_is_valid_for_thirty_days_after_the_end(hub_demo: Flask, kind: str) -> None:
    _, path = send()
    fields = {"signer": "eric"} if kind == "declined" else {}
    post(f"request.{kind}", signers=None, **fields)
    with time_machine.travel(now() + timedelta(days=29, hours=23), tick=True):
        assert visit(hub_demo, path).status_code == 302
    with time_machine.travel(now() + timedelta(days=30, minutes=1), tick=True):
        assert_opens_nothing(hub_demo, path)


def test_link_of_a_request_whose_time_ended_expires_without_an_event(hub_demo: Flask) -> None:
    body = event_body(signers=[signer_body("Eric")])
    body["request"]["expires_at"] = (now() + timedelta(days=2)).isoformat()
    answer = accept.accept_event(EventIn.model_validate(body), source_id(), test=True)
    db.session.rollback()
    path = path_in(text_of(answer["messages"][0]["id"]))
    with time_machine.travel(now() + timedelta(days=31), tick=True):
        assert visit(hub_demo, path).status_code == 302
    with time_machine.travel(now() + timedelta(days=32, minutes=1), tick=True):
        assert_opens_nothing(hub_demo, path)


def test_link_of_an_open_request_does_not_expire(hub_demo: Flask) -> None:
    _, path = send()
    with time_machine.travel(now() + timedelta(days=300), tick=True):
        assert visit(hub_demo, path).status_code == 302


def test_erased_person_loses_the_link(hub_demo: Flask) -> None:
    _, path = send()
    contact = db.session.scalars(select(Contact)).one()
    contact_erasure.erase_contact(contact.id, reason="Requested on Monday")
    assert_opens_nothing(hub_demo, path)
    db.session.rollback()
    assert db.session.scalars(select(Link)).all() == []


def test_retention_deletes_the_target_and_keeps_the_count(hub_demo: Flask) -> None:
    with time_machine.travel(now() - timedelta(days=31), tick=True):
        _, path = send()
        visit(hub_demo, path)
        post("request.completed", signers=None)
    retention.apply_retention()
    assert (link().url, link().opens) == ("", 1)


def test_retention_deletes_a_link_with_its_message(hub_demo: Flask) -> None:
    message_id, _ = send()
    post("request.completed", signers=None)
    purge.delete_old_rows(now() + timedelta(days=1))
    db.session.rollback()
    assert db.session.get(Message, message_id) is None
    assert db.session.scalars(select(Link)).all() == []


def test_stranger_who_tries_codes_is_stopped_and_others_are_not(hub_demo: Flask) -> None:
    _, path = send()
    tried = [visit(hub_demo, f"/l/{short_codes.new_code()}").status_code for _ in range(70)]
    assert tried == [404] * 60 + [429] * 10
    assert visit(hub_demo, path).status_code == 429
    client = hub_demo.test_client(use_cookies=False)
    other = client.get(
        path, headers={"User-Agent": PHONE}, environ_overrides={"REMOTE_ADDR": "203.0.113.9"}
    )
    assert other.status_code == 302


def test_resent_message_keeps_its_link(hub_demo: Flask) -> None:
    message_id, path = send()
    _set_failed(message_id)
    successor = resend.resend(message_id).id
    db.session.rollback()
    assert path_in(text_of(successor)) == path
    visit(hub_demo, path)
    visit(hub_demo, path)
    for shown in (message_id, successor):
        db.session.rollback()
        titles = [entry.title for entry in timeline(db.session.get_one(Message, shown))]
        assert titles[-2:] == ["Link opened", "Link opened 2 times"]


@transaction
def _set_failed(message_id: str) -> None:
    row = db.session.get_one(Message, message_id)
    row.status = Status.UNDELIVERED
    row.due_at = None
