"""An accepted ID works in every URL, on every page, and for its own request only."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest
from flask import Flask
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from hub.db.engine import db
from hub.db.types import new_id
from hub.messaging.track import message_queries
from hub.models import SigningRequest
from hub.signing import identifiers
from tests.conftest import Browser, config_of
from tests.effort import examples
from tests.hub_fixtures import SigningApp, event_body, json_of, signer_body

USED = [
    "2026/11/42",
    "a b",
    "ü",
    "u\u0308",
    "%2F",
    "a%2Fb",
    "a/b",
    "%",
    "%252F",
    "a?b#c",
    "a&b=c",
    "x.",
    "x...",
    "...",
    "a;b",
    "a\\b",
    "a/remind",
    "remind",
    "a/snooze/remind",
    "~",
    "+",
    "a+b",
    "*",
    "'",
    '"',
    "<b>",
    "{id}",
    "-1",
    "0",
    "sent",
    "failed",
    "日本/契約",
    "👩‍👩‍👧‍👦",
    "a\u00a0b",
    "x" * 200,
    "👍" * 200,
    "דנה/1",
    "@",
    ":",
    "a:b",
    "//".join("ab").replace("//", "/"),
    "%2e%2e",
    "..a",
    ".a/b",
    "api/v1",
    "C:",
    "null",
    "[1]",
    "|",
    "^",
    "`",
]
REFUSED = [
    "",
    ".",
    "..",
    "a/..",
    "../a",
    "a/./b",
    "/",
    "/a",
    "a/",
    "a//b",
    " a",
    "a ",
    "\ta",
    "a\n",
    "a\r\nb",
    "a\0b",
    "\u202ea",
    "a\u2028b",
    "a\x85",
    "\u2066a\u2069",
    "x" * 201,
    "\u00a0a",
    "a\u3000",
    "a\x7fb",
    "a\x9bb",
]
some_ids = st.one_of(
    st.sampled_from(USED + REFUSED),
    st.text(st.sampled_from("a./%?#&=+ ü~\\:;@2Ffé\u0301\u202e\n"), max_size=12),
    st.text(max_size=20),
    st.lists(st.sampled_from(["a", "..", ".", "", "remind", "snooze", "%2F", " "]), max_size=4).map(
        "/".join
    ),
)
more_examples = settings(
    max_examples=examples(120),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def post_request(app: SigningApp, name: str) -> Any:
    event = event_body(signers=[signer_body("Eric")])
    event["request"]["id"] = name
    return app.post("/events", event)


def storable(name: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in name)


def assert_found_everywhere(app: SigningApp, name: str) -> None:
    """Find a request by its ID at every URL of the API, in each encoding that clients use."""
    for way in (quote(name, safe=""), quote(name, safe="/")):
        response = app.get(f"/requests/{way}")
        assert (response.status_code, json_of(response)["external_id"]) == (200, name)
        own_id = json_of(response)["id"]
        assert json_of(app.get(f"/requests/{own_id}"))["external_id"] == name
        for action in ("snooze", "unsnooze"):
            assert app.post(f"/requests/{way}/{action}").status_code == 200, action
        again = json_of(app.post(f"/requests/{way}/remind")).get("code")
        assert again in (None, "reminded_recently"), again
        refused = app.post(f"/requests/{way}/invite", {"signer": "eric"})
        assert (refused.status_code, json_of(refused)["code"]) in (
            (201, None),
            (422, "no_connection"),
        )
    reminded = json_of(app.get(f"/requests/{own_id}"))["signers"][0]["messages"]
    assert len(reminded) == 2
    listed = json_of(app.get("/messages", request=name))["messages"]
    assert {opt_out["request"] for opt_out in listed} == {own_id}
    assert list(db.session.scalars(message_queries.select_requests(name))) == [own_id]


# ── The API ───────────────────────────────────────────────────────────────────────────────────────
@more_examples
@example("a/remind")
@example("2026/11/42")
@given(some_ids)
def test_every_accepted_id_finds_exactly_its_request(signing_app: SigningApp, name: str) -> None:
    if not storable(name):
        return
    answer = post_request(signing_app, name)
    try:
        identifiers.request_id(name)
    except ValueError:
        assert (answer.status_code, answer.json["field"]) == (422, "request.id")
        return
    assert answer.status_code == 202
    if len(json_of(signing_app.get(f"/requests/{quote(name)}"))["signers"][0]["messages"]) == 1:
        assert_found_everywhere(signing_app, name)


@pytest.mark.parametrize("name", USED)
def test_common_id_formats_are_accepted(signing_app: SigningApp, name: str) -> None:
    assert post_request(signing_app, name).status_code == 202
    assert_found_everywhere(signing_app, name)


@pytest.mark.parametrize("name", REFUSED)
def test_id_that_no_url_can_carry_is_refused_with_its_field(
    signing_app: SigningApp, name: str
) -> None:
    answer = post_request(signing_app, name)
    assert (answer.status_code, answer.json["field"]) == (422, "request.id")
    assert db.session.scalars(select(SigningRequest)).all() == []


def test_similar_ids_are_distinct(signing_app: SigningApp) -> None:
    for name in USED:
        assert post_request(signing_app, name).status_code == 202
    request_ids = {
        name: json_of(signing_app.get(f"/requests/{quote(name, safe='')}"))["id"] for name in USED
    }
    assert len(set(request_ids.values())) == len(set(USED))
    answer = signing_app.post("/requests/a/remind/remind")
    assert answer.status_code == 202
    reminded = {
        signing_request.external_id
        for signing_request in db.session.scalars(select(SigningRequest))
        if signing_request.signers[0].reminders
    }
    assert reminded == {"a/remind"}


def test_id_in_the_format_of_signpost_is_refused(signing_app: SigningApp) -> None:
    answer = post_request(signing_app, new_id("req"))
    assert (answer.status_code, answer.json["field"]) == (422, "request.id")
    event = event_body(signers=[signer_body("Eric") | {"id": new_id("sgn")}])
    answer = signing_app.post("/events", event)
    assert (answer.status_code, answer.json["field"]) == (422, "signers[0].id")


@pytest.mark.parametrize("name", [" eric", "eric\n", "\u202eeric", "", "x" * 201])
def test_ids_of_signers_and_events_follow_the_same_rules(
    signing_app: SigningApp, name: str
) -> None:
    answer = signing_app.post("/events", event_body(signers=[signer_body("Eric") | {"id": name}]))
    assert (answer.status_code, answer.json["field"]) == (422, "signers[0].id")
    answer = signing_app.post("/events", event_body(id=name))
    assert (answer.status_code, answer.json["field"]) == (422, "id")


@pytest.mark.parametrize("signer", ["eric/1", "..", "a b", "%2F", "ü?#"])
def test_signer_is_reminded_by_any_accepted_id(signing_app: SigningApp, signer: str) -> None:
    signing_app.post("/events", event_body(signers=[signer_body("Eric") | {"id": signer}]))
    assert signing_app.post("/requests/agr-1001/remind", {"signer": signer}).status_code == 202


# ── Over HTTP, and on pages ───────────────────────────────────────────────────────────────────────
def test_ids_work_with_a_real_server(served: Flask, signing_app: SigningApp) -> None:
    public_url = config_of(served).public_url
    for name in USED:
        assert post_request(signing_app, name).status_code == 202
        for way in (quote(name, safe=""), quote(name, safe="/")):
            request = Request(
                f"{public_url}/api/v1/requests/{way}",
                headers={"Authorization": f"Bearer {signing_app.key}"},
            )
            with urlopen(request) as answer:
                assert json.loads(answer.read())["external_id"] == name


@pytest.fixture
def store_request(app: Flask) -> Callable[[str], str]:
    """Return a function that stores a request under an ID and returns Signpost's ID."""
    from hub.connections import demo
    from hub.signing.accept import accept_event
    from hub.signing.events import EventIn
    from tests.hub_fixtures import source_id

    with app.app_context():
        demo.prepare()

    def store(name: str) -> str:
        event = event_body(signers=[signer_body("Eric")])
        event["request"]["id"] = name
        with app.app_context():
            accept_event(EventIn.model_validate(event), source_id(), test=True)
            query = select(SigningRequest.id).where(SigningRequest.external_id == name)
            return db.session.scalars(query).one()

    return store


def test_pages_find_a_request_by_its_id(
    store_request: Callable[[str], str], admin: Browser
) -> None:
    ids = {name: store_request(name) for name in USED}
    for name, expected_id in ids.items():
        page = admin.get("/requests", query_string={"q": name}).text
        assert [message_id for message_id in ids.values() if f"/requests/{message_id}" in page] == [
            expected_id
        ], name
        assert admin.get(f"/requests/{expected_id}").status_code == 200
        messages = admin.get("/messages", query_string={"q": name}).text
        assert messages.count('href="/messages/msg_') == 1, name
