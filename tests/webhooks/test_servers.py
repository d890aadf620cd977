"""Genuine webhooks are accepted by every WSGI server, however it reports the address."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote_to_bytes, urlencode

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.signature import SignatureVerifier
from sqlalchemy import select
from twilio.request_validator import RequestValidator

from hub.connections import demo
from hub.db.engine import db
from hub.integrations.telegram.integration import SECRET
from hub.models import Connection
from hub.shared import integration_instances
from hub.webhooks import target
from tests import servers
from tests.conftest import config_of
from tests.hub_fixtures import CALLBACK, callbacks, credentials, json_of, status_form

FORM = "application/x-www-form-urlencoded"
PUBLIC = "https://hub.example"
TARGETS = [
    CALLBACK,
    CALLBACK + "/",
    CALLBACK + "//",
    CALLBACK + "?",
    CALLBACK + "/?",
    CALLBACK + "%2f",
    CALLBACK + "%2F?x=1",
    CALLBACK + "?message=msg_1&attempt=1",
    CALLBACK + "?a=%2B&b=%20c+d&a=%2b",
    CALLBACK + "?q=a/b?c=%C3%BC&&=;",
    CALLBACK + "?%3f",
]


def load_connection(integration: str) -> Connection:
    return db.session.scalars(
        select(Connection).where(Connection.integration == integration)
    ).all()[0]


def twilio_callback(app: Flask, at: str, sid: str, base: str = "") -> tuple[dict[str, str], bytes]:
    """Return headers and body of a callback that Twilio's library signed for this target."""
    form = status_form(app, sid, "delivered")
    url = (base or config_of(app).public_url) + at
    signature = RequestValidator(credentials(app).auth_token).compute_signature(url, form)
    return {"Content-Type": FORM, "X-Twilio-Signature": signature}, urlencode(form).encode()


def slack_callback(connection: Connection) -> tuple[dict[str, str], bytes]:
    payload = {
        "type": "block_actions",
        "api_app_id": connection.settings["app_id"],
        "user": {"id": "U1"},
        "actions": [],
    }
    sent = urlencode({"payload": json.dumps(payload)}).encode()
    at = str(int(time.time()))
    signature = SignatureVerifier(connection.settings["signing_secret"]).generate_signature(
        timestamp=at, body=sent
    )
    return {
        "Content-Type": FORM,
        "X-Slack-Request-Timestamp": at,
        "X-Slack-Signature": str(signature),
    }, sent


def telegram_callback(connection: Connection) -> tuple[dict[str, str], bytes]:
    update = {
        "update_id": 7,
        "message": {
            "message_id": 1,
            "date": int(time.time()),
            "text": "Hi",
            "chat": {"id": 1, "type": "private"},
            "from": {"id": 1, "is_bot": False, "first_name": "Eric"},
        },
    }
    secret: Any = integration_instances.instance(connection)
    return {"Content-Type": "application/json", SECRET: secret._secret()}, json.dumps(
        update
    ).encode()


# bodies that cannot be read
BROKEN = [b"zz\r\nabc\r\n0\r\n\r\n", b"-1\r\nabc\r\n0\r\n\r\n", b"3\r\nabcdef\r\n0\r\n\r\n"]
READ_CHUNKS = {"gunicorn", "granian", "waitress"}


@pytest.mark.parametrize("server", list(servers.COMMANDS))
def test_every_server_accepts_genuine_webhooks_and_refuses_others(
    hub_demo: Flask, environ: dict[str, str], server: str, tmp_path: Path
) -> None:
    demo.connect_chats_and_mail()
    bot = load_connection("telegram")
    workspace = load_connection("slack")
    other_statuses = [
        (f"/api/rpc/webhooks/telegram/{bot.slug}", telegram_callback(bot)),
        ("/api/rpc/webhooks/slack/interactions?", slack_callback(workspace)),
    ]
    with servers.running_server(server, environ, tmp_path):
        for number, at in enumerate(TARGETS):
            headers, sent = twilio_callback(hub_demo, at, f"SM{number:032}")
            answer = servers.exchange(
                environ, servers.request_bytes(environ, "POST", at, headers, sent)
            )
            assert (answer.status, json.loads(answer.body)) == (
                200,
                {"success": True, "processed": 1},
            ), at
        for at, (headers, sent) in other_statuses:
            assert (
                servers.exchange(
                    environ, servers.request_bytes(environ, "POST", at, headers, sent)
                ).status
                == 200
            ), at
        headers, sent = twilio_callback(hub_demo, CALLBACK, "SM" + "f" * 32, "https://evil.example")
        assert (
            servers.exchange(
                environ, servers.request_bytes(environ, "POST", CALLBACK, headers, sent)
            ).status
            == 403
        )
        if server in READ_CHUNKS:
            assert_broken_bodies_are_refused(hub_demo, environ)
    assert len(callbacks()) == len(TARGETS) + len(other_statuses)


def assert_broken_bodies_are_refused(app: Flask, environ: dict[str, str]) -> None:
    key = (config_of(app).data_dir / "demo-key").read_text().strip()
    headers = {
        "Transfer-Encoding": "chunked",
        "Authorization": f"Bearer {key}",
        "Content-Type": "application/json",
    }
    for at in (CALLBACK, "/api/v1/events", "/sign-in"):
        for sent in BROKEN:
            answer = servers.exchange(
                environ, servers.request_bytes(environ, "POST", at, headers) + sent
            )
            assert 400 <= answer.status < 500, (at, sent, answer.body)


class TestUnderAPath:
    """A hub whose public address has a path."""

    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {"HUB_PUBLIC_URL": "http://127.0.0.1:9/signpost/eu"}

    @pytest.mark.parametrize("server", list(servers.COMMANDS))
    def test_path_prefix_may_be_present_or_removed(
        self, hub_demo: Flask, environ: dict[str, str], server: str, tmp_path: Path
    ) -> None:
        with servers.running_server(server, environ, tmp_path):
            for number, (before, at) in enumerate(
                [(before, at) for before in ("/signpost/eu", "") for at in TARGETS[:8]]
            ):
                headers, sent = twilio_callback(hub_demo, at, f"SM{number:032}")
                answer = servers.exchange(
                    environ, servers.request_bytes(environ, "POST", before + at, headers, sent)
                )
                assert answer.status == 200, (before, at)
        assert len(callbacks()) == 16


# ── What servers report ──────────────────────────────────────────────────────────────────────
def decoded_environ(at: str, mounted: str = "") -> dict[str, str]:
    """Return the variables with which a server reports a target, as PEP 3333 requires."""
    path, _, query = at.partition("?")
    return {
        "SCRIPT_NAME": mounted,
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1").removeprefix(mounted),
        "QUERY_STRING": query,
    }


segments = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1, max_size=6
)
queries = st.text("abcXYZ0189-._~!$&'()*+,;=:@/?%", max_size=12)


@given(
    st.lists(segments, min_size=1, max_size=3),
    queries,
    st.sampled_from(["", "?"]),
    st.sampled_from([target.ALLOWED_IN_PATH, "/"]),
)
def test_decoded_target_is_restored(parts: list[str], query: str, mark: str, safe: str) -> None:
    at = "/" + "/".join(quote(part, safe=safe) for part in parts) + (f"?{query}" if query else mark)
    assert PUBLIC + at in target.candidate_urls(decoded_environ(at), PUBLIC, "")


@given(st.lists(segments, min_size=1, max_size=3), queries)
def test_every_restored_spelling_means_the_same_request(parts: list[str], query: str) -> None:
    at = "/" + quote("/".join(parts)) + (f"?{query}" if query else "")
    for url in target.candidate_urls(decoded_environ(at), PUBLIC, ""):
        assert decoded_environ(url.removeprefix(PUBLIC)) == decoded_environ(at)


@given(
    st.text("abc/%2f?=&", max_size=12),
    st.sampled_from(["RAW_URI", "REQUEST_URI"]),
    st.sampled_from(["", "http://other.example:81"]),
)
def test_raw_target_is_used_unchanged(suffix: str, name: str, host: str) -> None:
    at = "/a" + suffix
    environ = {**decoded_environ("/b"), name: host + at}
    assert target.candidate_urls(environ, PUBLIC, "") == (PUBLIC + at,)


@pytest.mark.parametrize(
    ("environ", "prefix", "url"),
    [
        (
            {"REQUEST_URI": "/a%2f", "PATH_INFO": "/a/", "QUERY_STRING": "b=1"},
            "",
            "/a%2f?b=1",
        ),  # the path alone
        ({"RAW_PATH_INFO": "/a%2f", "PATH_INFO": "/a/", "QUERY_STRING": "b=1"}, "", "/a%2f?b=1"),
        (
            {
                "REQUEST_URI": "/hub/a?b",
                "SCRIPT_NAME": "/hub",
                "PATH_INFO": "/a",
                "QUERY_STRING": "b",
            },
            "/hub",
            "/a?b",
        ),
        ({"SCRIPT_NAME": "/hub", "PATH_INFO": "/a", "QUERY_STRING": "b"}, "/hub", "/a?b"),
        ({"SCRIPT_NAME": "/m", "PATH_INFO": "/a"}, "", "/m/a"),
        ({"SCRIPT_NAME": "/m", "PATH_INFO": "/a"}, "", "/a"),  # the proxy takes the path away
        (
            {"REQUEST_URI": "/a?to=http://b/c", "PATH_INFO": "/a", "QUERY_STRING": "to=http://b/c"},
            "",
            "/a?to=http://b/c",
        ),
        ({"RAW_URI": "http://h?x", "PATH_INFO": "", "QUERY_STRING": "x"}, "", "?x"),
        ({"PATH_INFO": "/\u4e2d"}, "", "/%E4%B8%AD"),  # a server that breaks PEP 3333
    ],
)
def test_server_reports_are_understood(environ: Mapping[str, str], prefix: str, url: str) -> None:
    assert PUBLIC + prefix + url in target.candidate_urls(environ, PUBLIC + prefix, prefix)


@pytest.mark.parametrize("at", [CALLBACK + "?", CALLBACK + "%2f"])
def test_forged_signature_matches_no_spelling(hub_demo: Flask, at: str) -> None:
    headers, sent = twilio_callback(hub_demo, at, "SM" + "0" * 32, "https://evil.example")
    answer = hub_demo.test_client().post(
        CALLBACK,
        data=sent,
        headers=headers,
        content_type=FORM,
        environ_overrides={"RAW_URI": "", "REQUEST_URI": ""},
    )
    assert answer.status_code == 403
    assert json_of(answer)["success"] is False
