"""The contract of webhooks and imports of every integration."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlencode

import pytest

from hub import integrations
from hub.core.errors import BadWebhook
from hub.core.vocabulary import Status
from hub.integrations.base import (
    Integration,
    StatusUpdate,
    Unrecognized,
    WebhookEvent,
    WebhookRequest,
)
from hub.integrations.webhook_receiver import WebhookReceiver
from hub.lib import provider_http
from tests.integrations.instances import (
    ALL,
    all_settings_of,
    every,
    instance,
    make_webhook,
    samples_of,
    signer_of,
)
from tests.integrations.samples import Sign

receivers = pytest.mark.parametrize(
    "cls", [cls for cls in ALL if issubclass(cls, WebhookReceiver)], ids=lambda cls: cls.name
)


def samples(cls: type[Integration]) -> list[WebhookRequest]:
    """Return the sample webhooks of an integration."""
    return [
        WebhookRequest("POST", f"https://hub.example/{path}", path, dict(headers), body, "fox")
        for path, headers, body in samples_of(cls).get("SAMPLE_WEBHOOKS", [])
        if path in cls.webhooks
    ]


@receivers
def test_each_key_field_is_in_a_sample(cls: type[WebhookReceiver]) -> None:
    requests = samples(cls)  # type: ignore[arg-type]
    sent = {name for request in requests for name in request.json or request.form}
    for name in cls.callback_fields:
        assert name in sent, f"callback_fields: no sample webhook has {name}"


# ── Webhooks ──────────────────────────────────────────────────────────────────────────────────────
@every
def test_integration_has_the_current_contract_version(cls: type[Integration]) -> None:
    assert cls.contract == integrations.CONTRACT


@every
def test_webhook_paths_are_valid(cls: type[Integration]) -> None:
    for path, method in cls.webhooks.items():
        assert re.fullmatch(r"[a-z0-9_-]+(/[a-z0-9_-]+)*(/\{connection\})?", path)
        assert callable(getattr(cls, method))
    if cls.status_path:
        assert cls.status_path in cls.webhooks
        assert "{" not in cls.status_path, "it is sent with messages as it is"


@receivers
def test_each_webhook_has_a_sample(cls: type[WebhookReceiver]) -> None:
    assert set(cls.webhooks) == {request.path for request in samples(cls)}, (
        "give a sample of each as SAMPLE_WEBHOOKS in its test: a list of (path, headers, body)"
    )


@receivers
def test_unsigned_webhook_is_refused_with_any_content(cls: type[WebhookReceiver]) -> None:
    integration = instance(cls)
    blank = cls({}, provider_http.ProviderHttpClient())
    kinds = ("application/x-www-form-urlencoded", "application/json", "text/plain", "")
    nonsense = (b"", b"a=1", b"{}", b"[]", b"null", b"\xff\xfe", b"a" * 10_000, b"%", b"&=&=")
    bodies = (*nonsense, *(request.body for request in samples(cls)))
    headers = {name for request in samples(cls) for name in request.headers} - {"content-type"}
    proofs: tuple[dict[str, str], ...] = (
        {},
        {"authorization": "Bearer x"},
        dict.fromkeys(headers, "AAAA"),
    )
    for path, kind, body, proof in product(cls.webhooks, kinds, bodies, proofs):
        for receiver in (integration, blank):
            with pytest.raises(BadWebhook):
                receiver.verify(make_webhook(path, body, kind, **proof))


def changed_requests(request: WebhookRequest) -> Iterator[WebhookRequest]:
    """Return the request once for each field of its body, with another value of that field."""
    fields = request.fields
    for index, (name, value) in enumerate(fields):
        changed = [*fields[:index], (name, f"{value}x"), *fields[index + 1 :]]
        yield replace(request, body=urlencode(changed).encode())
    for name, value in request.json.items():
        yield replace(request, body=json.dumps({**request.json, name: [value]}).encode())


@receivers
def test_signed_webhook_is_accepted_and_each_change_is_refused(cls: type[WebhookReceiver]) -> None:
    sign = signer_of(cls)
    if sign is None:
        assert not cls.__module__.startswith("hub."), (
            "define sign(request, settings) in its test, which signs a sample as the provider does"
        )
        pytest.skip("its own test defines no sign(request, settings)")
    for settings in all_settings_of(cls):
        check_signatures(cls, sign, settings)


def check_signatures(cls: type[WebhookReceiver], sign: Sign, settings: Mapping[str, Any]) -> None:
    connection = cls(settings, provider_http.ProviderHttpClient())
    others = {
        name: f"{value}x" if isinstance(value, str) else value for name, value in settings.items()
    }
    other_connection = cls(others, provider_http.ProviderHttpClient())
    for received in samples(cls):
        signed = sign(received, settings)
        connection.verify(signed)
        with pytest.raises(BadWebhook):
            other_connection.verify(signed)
        proofs = [name for name, value in signed.headers.items() if received.headers[name] != value]
        forged = [replace(signed, headers={**signed.headers, name: "AAAA"}) for name in proofs]
        if samples_of(cls).get("SIGNS_BODY", True):
            forged += changed_requests(signed)
        assert forged, "nothing in the request depends on the secret"
        for request in forged:
            with pytest.raises(BadWebhook):
                connection.verify(request)


@receivers
def test_any_request_has_an_account_a_key_and_a_response(cls: type[WebhookReceiver]) -> None:
    bodies = ((b"", "text/plain"), (b"a=1", "application/x-www-form-urlencoded"))
    requests = [
        make_webhook(path, body, kind)
        for path in cls.webhooks
        for body, kind in (*bodies, (b"[]", "application/json"))
    ]
    for request in (*requests, *samples(cls)):
        assert isinstance(cls.claimed_account(request), str)
        subject, detail = cls.callback_key(request)
        assert isinstance(subject + detail, str)
        assert subject
        kind, text = cls.webhook_response(request, True)
        assert "/" in kind
        assert isinstance(text, str)


@receivers
def test_sample_webhooks_are_parsed_without_side_effects(cls: type[WebhookReceiver]) -> None:
    integration = cls(samples_of(cls).get("SETTINGS", {}), provider_http.ProviderHttpClient())
    events = []
    for request in samples(cls):
        parsed_events = integration.parse_events(request)
        assert parsed_events == integration.parse_events(request)
        events += parsed_events
    assert events, "no sample holds anything"
    for event in events:
        assert isinstance(event, WebhookEvent)
        assert not isinstance(event, Unrecognized), event
        if isinstance(event, StatusUpdate):
            assert event.provider_id or event.message_id
            assert event.status in (None, Status.ACCEPTED, *cls.reported_statuses())


@every
def test_declared_reporting_matches_the_behavior(cls: type[Integration]) -> None:
    updates = [
        event
        for request in samples(cls)
        if issubclass(cls, WebhookReceiver)
        for event in cls(
            samples_of(cls).get("SETTINGS", {}), provider_http.ProviderHttpClient()
        ).parse_events(request)
        if isinstance(event, StatusUpdate)
    ]
    reports_delivery = bool(updates or cls.status_path or cls.supports("fetch_status"))
    assert cls.reports is reports_delivery, "reports says whether statuses change after send"


@every
def test_routes_wait_only_for_statuses_that_messages_can_get(cls: type[Integration]) -> None:
    assert cls.reliable_statuses <= {Status.DELIVERED, Status.READ}
    assert cls.reliable_statuses <= {*cls.reported_statuses()}


# ── What it must not touch ────────────────────────────────────────────────────────────────────────
FORBIDDEN = {
    "flask",
    "sqlalchemy",
    "flask_sqlalchemy",
    "redis",
    "rq",
    "requests",
    "httpx",
    "socket",
    "subprocess",
}


@every
def test_requests_use_only_the_http_client(cls: type[Integration]) -> None:
    module = inspect.getmodule(cls)
    assert isinstance(module, ModuleType)
    assert module.__file__
    calls = set()
    for node in ast.walk(ast.parse(Path(module.__file__).read_text())):
        if isinstance(node, ast.Import):
            calls |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            calls.add(node.module.split(".")[0])
            assert not node.module.startswith(
                ("hub.models", "hub.db.store", "hub.messaging", "hub.accounts", "hub.db.engine")
            )
    assert not calls & FORBIDDEN
