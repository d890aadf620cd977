"""Text that no database can store: refused when unsigned, and never an internal error."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.lib.storable import find_nul, is_storable, make_storable, make_storable_json
from hub.models import InboundMessage
from tests.conftest import Browser
from tests.effort import examples
from tests.hub_fixtures import (
    CALLBACK,
    ERIC,
    SigningApp,
    callbacks,
    count,
    credentials,
    json_of,
    post_callback,
    process_pending_callbacks,
    status_form,
)

ROUTES = (
    "twilio/sms",
    "twilio/whatsapp",
    "twilio/inbound",
    "slack/interactions",
    "telegram/demo-telegram",
    "telegram/a%00b",
    "tele\0gram/x",
)
HOSTILE = st.text(st.sampled_from(["\0", "\ud800", "\udfff", "a", "é", "🛑", "'", "%"]), max_size=5)
reused = settings(
    max_examples=examples(60),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def jsons(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=3) | st.dictionaries(HOSTILE, inner, max_size=3)


ANYTHING = st.recursive(st.none() | st.integers() | HOSTILE, jsons, max_leaves=8)


# ── What can be stored ────────────────────────────────────────────────────────────────────────────
@given(ANYTHING)
def test_storable_text_can_be_stored_unchanged(value: Any) -> None:
    storable = make_storable_json(value)
    assert make_storable_json(storable) == storable
    json.dumps(storable, ensure_ascii=False).encode()
    assert "\\u0000" not in json.dumps(storable)
    assert find_nul(storable) is None


@given(HOSTILE)
def test_storable_text_is_unchanged(text: str) -> None:
    assert (make_storable(text) == text) is is_storable(text)


# ── Webhooks that nobody signed ───────────────────────────────────────────────────────────────────
@reused
@given(
    route=st.sampled_from(ROUTES),
    query=HOSTILE,
    content=st.one_of(
        ANYTHING.map(lambda value: ("application/json", json.dumps(value))),
        ANYTHING.map(
            lambda value: (
                "application/x-www-form-urlencoded",
                urlencode({"payload": json.dumps(value)}),
            )
        ),
        st.dictionaries(
            st.sampled_from(["AccountSid", "MessageSid", "Body", "payload"]), HOSTILE
        ).map(
            lambda form: (
                "application/x-www-form-urlencoded",
                urlencode(form, errors="surrogatepass"),
            )
        ),
        st.sampled_from(["AccountSid", "api_app_id", "update_id"]).flatmap(
            lambda name: HOSTILE.map(lambda text: ("application/json", json.dumps({name: text})))
        ),
    ),
)
def test_unsigned_webhook_is_refused_with_any_content(
    hub_demo: Flask, route: str, query: str, content: tuple[str, str]
) -> None:
    kind, text = content
    target = f"/api/rpc/webhooks/{route}?q={quote(query, errors='surrogatepass')}"
    answer = hub_demo.test_client().post(
        target, data=text, content_type=kind, headers={"X-Twilio-Signature": "x"}
    )
    assert answer.status_code in (400, 403, 404)
    assert answer.mimetype == "application/problem+json"
    assert json_of(answer)["success"] is False


# ── Webhooks that are genuine ─────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("text", ["ST\0OP", "\0", "a\0b", "\0\0Hello"])
def test_signed_message_with_a_null_character_is_stored_without_it(
    hub_demo: Flask, text: str
) -> None:
    account = credentials(hub_demo)
    form = {
        "AccountSid": account.account_sid,
        "From": ERIC,
        "To": account.phone_number,
        "MessageSid": "SM" + "5" * 32,
        "SmsStatus": "received",
        "Body": text,
        "NumMedia": "0",
        "Na\0me": "x",
    }
    answer = post_callback(hub_demo, form, target="/api/rpc/webhooks/twilio/inbound")
    assert answer.status_code == 200
    process_pending_callbacks()
    assert count(InboundMessage) == 1
    [row] = callbacks()
    assert (row.error, row.due_at) == ("", None)


@pytest.mark.parametrize("field", ["MessageSid", "MessageStatus", "ErrorCode"])
@pytest.mark.parametrize("value", ["\0", "x" * 5000, "é" * 3000, "SM\0" + "1" * 400])
def test_signed_status_is_accepted_with_any_parameters(
    hub_demo: Flask, field: str, value: str
) -> None:
    assert (
        post_callback(
            hub_demo, {**status_form(hub_demo, "SM" + "6" * 32, "sent"), field: value}
        ).status_code
        == 200
    )
    process_pending_callbacks()
    assert len(callbacks()) == 1


# ── The API ───────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "path", ["/events", "/messages", "/suppressions", "/consents", "/requests/agr-1/remind"]
)
@pytest.mark.parametrize(
    ("text", "status"),
    [
        ('{"a": "\\u0000"}', 422),
        ('{"a\\u0000": 1}', 422),
        ('{"a": [{"b": ["x", "\\u0000"]}]}', 422),
        ('["\\u0000"]', 422),
        ('"\\u0000"', 422),
        ('{"a": "\\ud800"}', 400),
        ('{"\\udc00": 1}', 400),
        ('{"a": "\\udc00\\ud800"}', 400),
    ],
)
def test_unstorable_body_is_refused(
    signing_app: SigningApp, path: str, text: str, status: int
) -> None:
    answer = signing_app.raw(path, text)
    # 404: the request is looked for before the body is read
    assert answer.status_code in (status, 404)
    assert answer.mimetype == "application/problem+json"


def test_field_with_a_null_character_is_named(signing_app: SigningApp) -> None:
    answer = signing_app.raw("/events", '{"signers": [{"name": "x"}, {"name": "Er\\u0000ic"}]}')
    assert (answer.status_code, json_of(answer)["field"]) == (422, "signers[1].name")


def test_escaped_backslash_is_not_a_null_character(signing_app: SigningApp) -> None:
    answer = signing_app.raw(
        "/messages", json.dumps({"channel": "sms", "to": ERIC, "text": "C:\\u0000"})
    )
    assert answer.status_code == 202


@pytest.mark.parametrize(
    "target",
    [
        "/messages/%00",
        "/requests/a%00b",
        "/suppressions/%00/lift",
        "/messages?to=%00",
        "/consents?address=a%00",
        "/messages/%ED%A0%80",
        "/messages?%00=1",
        "/messages?to=%ED%A0%80",
    ],
)
def test_unstorable_api_address_causes_no_error(signing_app: SigningApp, target: str) -> None:
    for method in ("GET", "POST"):
        answer = signing_app.client.open(
            f"/api/v1{target}",
            method=method,
            headers={"Authorization": f"Bearer {signing_app.key}"},
        )
        assert answer.status_code in (200, 400, 404, 405, 415, 422)


# ── Pages ─────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "target",
    [
        "/messages?q=%00",
        "/messages/%00",
        "/requests/a%00",
        "/contacts/%00",
        "/l/%00",
        "/a/%00",
        "/%00",
        "/messages?q=%ED%A0%80",
        "/inbox?show=%00",
        "/connections/%00",
    ],
)
def test_unstorable_page_address_causes_no_error(admin: Browser, target: str) -> None:
    assert admin.get(target).status_code in (200, 303, 400, 404)


# ── Methods ───────────────────────────────────────────────────────────────────────────────────────
TARGETS = (
    CALLBACK,
    "/api/rpc/webhooks/slack/interactions",
    "/api/rpc/webhooks/telegram/demo-telegram",
)


def test_disallowed_method_is_405_with_the_allowed_methods(app: Flask) -> None:
    client = app.test_client()
    for path in TARGETS:
        answer = client.put(path)
        assert (answer.status_code, answer.headers["Allow"], answer.mimetype) == (
            405,
            "POST",
            "application/problem+json",
        )
    methods = 0
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("webhooks.receive"):
            continue  # it takes every method, so that an integration may answer a probe
        path = rule.rule.replace("<", "").replace(">", "").replace("path:", "")
        wrong = next(
            method for method in ("DELETE", "PATCH", "PUT") if method not in (rule.methods or ())
        )
        answer = client.open(path, method=wrong)
        if answer.status_code != 405:
            continue  # another rule has the same address
        methods += 1
        assert "GET" in answer.headers["Allow"] or "POST" in answer.headers["Allow"]
        if path.startswith("/api/"):
            assert answer.mimetype == "application/problem+json"
    assert methods > 40
