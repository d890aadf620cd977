"""Workflow URLs of Teams are accepted or refused."""

from __future__ import annotations

import json

import pytest
from werkzeug.datastructures import MultiDict

from hub.integrations.teams.integration import Teams
from tests.integrations.teams_cards import (
    BUTTONS,
    CARD,
    CREDENTIALS,
    SETTINGS,
    SIG,
    URL,
    WORKFLOW,
    outbound,
    rendered,
)


def form_errors(url: str, other_host: str = "") -> str:
    form = Teams.Form(MultiDict({"workflow_url": url, "other_host": other_host}))
    form.validate()
    return " ".join(str(error) for errors in form.errors.values() for error in errors)


HOST = URL.split("/")[2]


@pytest.mark.parametrize(
    "url",
    [
        URL,
        URL.replace(":443", ""),
        URL.replace("https://", "https://default"),
        URL.upper()
        .replace("HTTPS", "https")
        .replace("SIG=", "sig=")
        .replace("WORKFLOWS/", "workflows/")
        .replace("/TRIGGERS/", "/triggers/"),
        URL.replace("/direct/", "/direct/cu/07/"),
    ],
)
def test_workflow_url_is_accepted(url: str) -> None:
    assert form_errors(url) == ""


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("https://acme.webhook.office.com/webhookb2/x@y/IncomingWebhook/z", "Office 365 connector"),
        ("https://outlook.office.com/webhook/x", "Office 365 connector"),
        (
            "https://outlook.office365.com/webhook/x",
            "Post to a channel when a webhook request is received",
        ),
        (URL.replace(HOST, "prod-12.westeurope.logic.azure.com:443"), "November 30, 2025"),
        (URL.replace(HOST, "evil.example"), "not the URL of a Teams workflow"),
        (
            URL.replace(HOST, HOST.replace(":443", ".evil.example")),
            "not the URL of a Teams workflow",
        ),
        (URL.replace(HOST, f"evil.example#{HOST}"), "not the URL of a Teams workflow"),
        (URL.replace(HOST, "127.0.0.1"), "not the URL of a Teams workflow"),
        (URL.replace("https://", "https://evil.example\\@"), ""),
        ("https://[", "not the URL of a Teams workflow"),
        ("x", "not the URL of a Teams workflow"),
        (URL.replace("https:", "http:"), "https://"),
        (URL.replace(":443", ":8443"), "443"),
        (URL.replace("https://", "https://me:secret@"), "without a user name"),
        (URL.partition("&sig=")[0], "not complete"),
        (URL.partition("?")[0], "not complete"),
        (URL.replace("/triggers/", "/x/"), "not complete"),
        (URL.replace("workflows/", "x/"), "not complete"),
        (URL.replace("/invoke", "/in voke"), "not complete"),
    ],
)
def test_other_url_is_refused_with_a_remedy(url: str, error: str) -> None:
    errors = form_errors(url)
    assert errors
    assert error in errors
    assert errors.endswith(".")
    assert SIG not in errors


@pytest.mark.parametrize(
    ("host", "other_host", "is_accepted"),
    [
        ("flow.acme.example", "flow.acme.example", True),
        ("a.gov.example", "*.gov.example", True),
        ("gov.example", "*.gov.example", False),
        ("evilgov.example", "*.gov.example", False),
        ("flow.acme.example", "acme.example", False),
        ("a.webhook.office.com", "*.office.com", False),
        ("prod-1.x.logic.azure.com", "*.azure.com", False),
        ("a.example", "*.example", False),
    ],
)
def test_other_clouds_are_allowed_by_host_or_domain(
    host: str, other_host: str, is_accepted: bool
) -> None:
    assert (form_errors(URL.replace(HOST, host), other_host) == "") is is_accepted


def test_workflow_id_is_public_and_the_signature_is_secret() -> None:
    assert CREDENTIALS.derive("teams workflow") == WORKFLOW
    assert (
        Teams.senders_of({}).default == Teams.destination_of({}) == Teams.account_of(SETTINGS) == ""
    )
    assert SIG not in json.dumps(rendered(outbound(card=CARD, buttons=BUTTONS)))
