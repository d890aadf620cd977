"""A key of one source cannot read, list or change anything of another source, on any route."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from hub.api.operations import find_operation, list_routes
from hub.api.scopes import PUBLIC
from tests.api.conftest import StrictApp
from tests.hub_fixtures import ERIC, SigningApp, event_body, json_of, signer_body
from tests.hub_fixtures import hub_demo as hub_demo

WHY = "Called Dana at noon."
PROOF = "I agree to messages of Acme."
IP = "198.51.100.77"
HOOK = "https://alpha.invalid/hooks"
MISSING = {  # ids of the right form that nothing has, by the name of a route's argument
    "event_id": "evt_019aa5c2-71f8-7b3e-9c40-2d6f8a1be41c",
    "endpoint_id": "whk_019aa5c2-71f8-7b3e-9c40-2d6f8a1be41c",
    "message_id": "msg_019aa5c2-71f8-7b3e-9c40-2d6f8a1be41c",
    "suppression_id": "sup_019aa5c2-71f8-7b3e-9c40-2d6f8a1be41c",
    "request_id": "req_019aa5c2-71f8-7b3e-9c40-2d6f8a1be41c",
}


@dataclass
class Rows:
    """The IDs of source A's rows, and words that only A may read."""

    event_id: list[str]
    endpoint_id: list[str]
    message_id: list[str]
    suppression_id: list[str]
    request_id: list[str]
    media: str

    @property
    def words(self) -> set[str]:
        ids = {
            *self.event_id,
            *self.endpoint_id,
            *self.message_id,
            *self.suppression_id,
            *self.request_id,
            self.media,
        }
        return ids | {WHY, PROOF, IP, ERIC, "Employment Agreement"}


@pytest.fixture
def alpha(signing_app: StrictApp) -> SigningApp:
    """Return the signing app of source A, which is the demo's."""
    return SigningApp(signing_app.client, signing_app.key)


@pytest.fixture
def beta(add_signing_app: Callable[..., StrictApp]) -> SigningApp:
    """Return a signing app of source B, which is still empty."""
    signing_app = add_signing_app("beta")
    return SigningApp(signing_app.client, signing_app.key)


@pytest.fixture
def rows_of_alpha(alpha: SigningApp) -> Rows:
    """Create a row of every kind in source A."""
    event = json_of(alpha.post("/events", event_body(signers=[signer_body("Eric", ERIC)])))
    direct = json_of(alpha.post("/messages", {"channel": "sms", "to": ERIC, "text": "Hello."}))
    response = json_of(alpha.post("/suppressions", {"address": ERIC, "why": WHY}))
    blocked = json_of(alpha.post("/messages", {"channel": "sms", "to": ERIC, "text": "Hello."}))
    assert blocked["status"] == "suppressed"
    lifted = json_of(
        alpha.post("/suppressions", {"address": ERIC, "channel": "whatsapp", "why": WHY})
    )
    alpha.post(f"/suppressions/{lifted['id']}/lift", {"why": WHY})
    alpha.post("/consents", {"address": ERIC, "given": False, "proof": PROOF, "ip": IP})
    request = json_of(alpha.get("/requests/agr-1001"))["id"]
    messages = [*(message["id"] for message in event["messages"]), direct["id"], blocked["id"]]
    endpoint = json_of(alpha.post("/webhook-endpoints", {"url": HOOK, "events": ["*"]}))["id"]
    suppression_ids = [response["id"], lifted["id"]]
    return Rows(
        [schedule(alpha), "evt-later"],
        [endpoint],
        messages,
        suppression_ids,
        [request, "agr-1001"],
        upload(alpha),
    )


def schedule(app: SigningApp) -> str:
    """Post an event that notifies tomorrow; return its ID."""
    send_at = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    later = event_body(id="evt-later", request={"id": "agr-2002"}, send_at=send_at)
    return str(json_of(app.post("/events", later))["event"]["id"])


def upload(app: SigningApp) -> str:
    answer = app.client.post(
        "/api/v1/media",
        data={"file": (BytesIO(b"%PDF-1.4 signed"), "signed.pdf", "application/pdf")},
        headers={"Authorization": f"Bearer {app.key}"},
    )
    return str(json_of(answer)["id"])


# ── Every route ─────────────────────────────────────────────────────────────────────────────────
def rules(app: Flask) -> Iterator[Rule]:
    for rule in app.url_map.iter_rules():
        if find_operation(app, rule.endpoint):
            yield rule


CATALOG = "api.webhook_endpoints.list_event_kinds"  # the same for every source

# what each route that changes something is asked with, so that only the source is in the way
BODIES: dict[str, Any] = {
    "api.suppressions.lift_suppression": {"why": "Mine."},
    "api.requests.remind": {"signer": "eric"},
    "api.requests.snooze": {"signer": "eric"},
    "api.requests.unsnooze": {"signer": "eric"},
    "api.requests.invite": {"signer": "eric"},
}
# and each list, in every way that it can be narrowed to rows of A
QUERIES: dict[str, list[dict[str, str]]] = {
    "api.messages.list_messages": [
        {},
        {"to": ERIC},
        {"request": "agr-1001"},
        {"channel": "sms"},
        {"status": "suppressed"},
        {"status": "queued"},
        {"connection": "demo-sms"},
        {"limit": "1"},
    ],
    "api.suppressions.list_suppressions": [{}, {"address": ERIC}, {"opened": "true"}],
    "api.suppressions.list_consents": [{"address": ERIC}],
    "api.webhook_endpoints.list_endpoints": [{}],
}


def call_route(
    app: SigningApp, rule: Rule, path: str, query: dict[str, str] | None = None
) -> TestResponse:
    method = min((rule.methods or set()) - {"HEAD", "OPTIONS"})
    content = {"json": BODIES[rule.endpoint]} if rule.endpoint in BODIES else {}
    return app.client.open(
        path,
        method=method,
        query_string=query,
        headers={"Authorization": f"Bearer {app.key}"},
        **content,
    )


def paths(rule: Rule, ids: dict[str, list[str]]) -> Iterator[tuple[str, str]]:
    """Return the paths of a route with each of these IDs, and the ID."""
    [name] = rule.arguments
    for message_id in ids[name]:
        yield re.sub(r"<[^>]+>", message_id, rule.rule), message_id


def status_and_body(answer: TestResponse) -> tuple[int, dict[str, Any]]:
    """Return the status and body of a response."""
    return answer.status_code, json_of(answer)


def test_row_of_another_source_is_not_found(
    app: Flask, alpha: SigningApp, beta: SigningApp, rows_of_alpha: Rows
) -> None:
    requested_rules = set()
    ids = {name: getattr(rows_of_alpha, name) for name in MISSING}
    for rule in rules(app):
        if not rule.arguments:
            continue
        requested_rules.add(rule.endpoint)
        missing, _ = next(paths(rule, {name: [missing_id] for name, missing_id in MISSING.items()}))
        nothing = status_and_body(call_route(beta, rule, missing))
        assert nothing[0] == 404
        for path, _ in paths(rule, ids):
            assert status_and_body(call_route(beta, rule, path)) == nothing, path
    assert len(requested_rules) >= 9
    assert_unchanged(alpha, rows_of_alpha)


def test_lists_and_counts_exclude_other_sources(
    app: Flask, alpha: SigningApp, beta: SigningApp, rows_of_alpha: Rows
) -> None:
    lists = {
        rule.endpoint: rule
        for rule in rules(app)
        if "GET" in (rule.methods or ()) and not rule.arguments and rule.endpoint != CATALOG
    }
    assert lists.keys() == QUERIES.keys(), "declare how each list is requested"
    with_rows = {
        name: [
            status_and_body(call_route(beta, lists[name], lists[name].rule, query))
            for query in queries
        ]
        for name, queries in QUERIES.items()
    }
    for name, answers in with_rows.items():
        for query, (status, content) in zip(QUERIES[name], answers, strict=True):
            assert status == 200, (name, query)
            [rows] = [
                value
                for key, value in content.items()
                if isinstance(value, list) and key != "blocked"
            ]
            assert (rows, content.get("next")) == ([], None), (name, query)
            assert content.get("blocked") in (None, []), "what A recorded does not block B"
            assert not [text for text in rows_of_alpha.words if text in str(content)]
    for query in QUERIES["api.messages.list_messages"][:4]:
        assert json_of(alpha.get("/messages", **query))["messages"], "A sees its own"


def test_cursor_of_another_source_returns_nothing(beta: SigningApp, rows_of_alpha: Rows) -> None:
    own_message = json_of(beta.post("/messages", {"channel": "sms", "to": ERIC, "text": "Hello."}))
    for after in rows_of_alpha.message_id:
        assert json_of(beta.get("/messages", after=after))["messages"] == []
    for after in rows_of_alpha.suppression_id:
        assert json_of(beta.get("/suppressions", after=after))["suppressions"] == []
    assert [message["id"] for message in json_of(beta.get("/messages"))["messages"]] == [
        own_message["id"]
    ]


def test_preview_reads_no_request_of_another_source(beta: SigningApp, rows_of_alpha: Rows) -> None:
    event = event_body("request.reminder", request={"id": "agr-1001"})
    answer = beta.post("/preview", event)
    assert answer.status_code == 200
    assert not [text for text in rows_of_alpha.words if text in answer.text]


def test_file_of_another_source_is_not_found(beta: SigningApp, rows_of_alpha: Rows) -> None:
    send = {"connection": "demo-whatsapp", "to": ERIC, "text": "Hello."}
    missing = "med_019aa5c2-71f8-7b3e-9c40-2d6f8a1be41c"
    answers = []
    for media_id in (rows_of_alpha.media, missing):
        answer = beta.post("/messages", {**send, "media": media_id})
        assert answer.status_code == 404
        answers.append(answer.text.replace(media_id, "the id that was asked for"))
    assert answers[0] == answers[1]


def test_external_ids_and_idempotency_keys_are_scoped_to_a_source(
    alpha: SigningApp, beta: SigningApp, rows_of_alpha: Rows
) -> None:
    """External IDs and idempotency keys belong to one source."""
    event = event_body(signers=[signer_body("Eric", ERIC)], id="evt-1")
    first = alpha.post("/events", event, Idempotency_Key="one")
    second = beta.post("/events", event, Idempotency_Key="one")
    assert (first.status_code, second.status_code) == (202, 202)
    assert "Idempotency-Replayed" not in second.headers
    own_request = json_of(beta.get("/requests/agr-1001"))
    assert own_request["id"] not in rows_of_alpha.request_id
    assert [message["status"] for message in json_of(second)["messages"]] == ["queued"], (
        "A's opt-out is not B's"
    )
    assert not [
        row_id
        for row_id in {*rows_of_alpha.message_id, *rows_of_alpha.request_id[:1]}
        if row_id in second.text
    ]
    response = json_of(beta.post("/suppressions", {"address": ERIC}))
    assert (response["why"], response["lifted_at"]) == ("", None)
    assert_unchanged(alpha, rows_of_alpha)


def test_writes_of_one_source_do_not_change_rows_of_another(
    alpha: SigningApp, beta: SigningApp, rows_of_alpha: Rows
) -> None:
    before = [
        status_and_body(alpha.get(path, **query)) for path, query in readable_paths(rows_of_alpha)
    ]
    own_opt_out = json_of(beta.post("/suppressions", {"address": ERIC, "why": "Mine."}))
    beta.post("/consents", {"address": ERIC, "given": True, "proof": "Mine."})
    beta.post(f"/suppressions/{own_opt_out['id']}/lift", {"why": "Mine."})
    beta.post("/events", event_body("request.canceled"))
    beta.post(
        "/events",
        event_body("request.declined", signers=[signer_body("Eric", ERIC)], actor={"id": "eric"}),
    )
    assert [
        status_and_body(alpha.get(path, **query)) for path, query in readable_paths(rows_of_alpha)
    ] == before
    assert_unchanged(alpha, rows_of_alpha)


def readable_paths(rows_of_alpha: Rows) -> list[tuple[str, dict[str, str]]]:
    """Return every path that A can read, with its query."""
    messages = [(f"/messages/{message_id}", {}) for message_id in rows_of_alpha.message_id]
    lists = [
        ("/messages", {}),
        *((path, {"address": ERIC}) for path in ("/suppressions", "/consents")),
    ]
    return [*messages, ("/requests/agr-1001", {}), *lists]


def assert_unchanged(alpha: SigningApp, rows_of_alpha: Rows) -> None:
    """Check that source A still has all its rows."""
    assert {message["id"] for message in json_of(alpha.get("/messages"))["messages"]} >= set(
        rows_of_alpha.message_id
    )
    assert {
        json_of(alpha.get(f"/messages/{message_id}"))["status"]
        for message_id in rows_of_alpha.message_id
    } == {
        "queued",
        "suppressed",
    }
    [suppression] = json_of(alpha.get("/suppressions"))["suppressions"]
    assert (suppression["id"], suppression["why"]) == (rows_of_alpha.suppression_id[0], WHY)
    [line] = json_of(alpha.get("/consents", address=ERIC))["consents"]
    assert (line["proof"], line["ip"]) == (PROOF, IP)
    assert json_of(alpha.get("/requests/agr-1001"))["id"] == rows_of_alpha.request_id[0]


def test_every_route_is_covered(app: Flask) -> None:
    """A new route must declare how these tests call it with rows of another source."""
    walked = {rule.endpoint for rule in rules(app) if rule.arguments} | QUERIES.keys()
    adds = {
        "api.events.post_event",
        "api.events.preview",
        "api.messages.post_message",
        "api.media.post_media",
        "api.suppressions.add_suppression",
        "api.suppressions.record_consent",
        "api.webhook_endpoints.create_endpoint",
        CATALOG,
    }
    assert walked | adds == {route.endpoint for route in list_routes(app)}
    assert not walked & PUBLIC
