"""The request that sends an email through SendGrid, the errors, and the test of a connection."""

from __future__ import annotations

import json
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.core.errors import (
    BadWebhook,
    ConnectionBroken,
    OutcomeUnknown,
    PermanentError,
    RecipientRefused,
    SendError,
    SlowDown,
)
from hub.core.vocabulary import Feedback, Status
from hub.integrations.base import (
    AttachedFile,
    Button,
    Outbound,
    StatusUpdate,
    Unrecognized,
    WebhookRequest,
)
from hub.integrations.branding import Branding
from hub.integrations.sendgrid import SendGrid
from hub.integrations.sendgrid.events import events_of
from hub.integrations.sendgrid.signature import MAX_AGE, SIGNATURE, TIMESTAMP
from hub.integrations.smtp.mime import compose
from hub.lib.provider_http import ProviderHttpClient, ProviderResponse
from tests.effort import examples
from tests.integrations.http_recorder import HttpRecorder, record_requests
from tests.integrations.instances import CREDENTIALS

# the test of the contract reads these
SAMPLE_ACCEPTED = (202, "")
SAMPLE_REFUSALS = [
    (401, {"errors": [{"message": "The provided authorization grant is invalid"}]}, "http_401"),
    (401, {"errors": [{"message": "Maximum credits exceeded", "field": None}]}, "credits"),
]
SAMPLE_CODES = [
    "credits",
    "http_401",
    "http_429",
    "unverified_sender",
    "access_forbidden",
    "no_permission",
    "bounced",
    "blocked",
    "5.7.26",
    "dropped_bounced",
    "dropped_other",
]
SAMPLE_WEBHOOKS = [
    (
        "sendgrid",
        {
            "content-type": "application/json",
            "x-twilio-email-event-webhook-signature": "MEUCIQ==",
            "x-twilio-email-event-webhook-timestamp": "1600112502",
        },
        b'[{"email":"eric@example.com","timestamp":1732900000,"event":"delivered",'
        b'"smtp-id":"<14c5d75ce93.dfd.64b469@ismtpd-555>","response":"250 OK",'
        b'"sg_event_id":"ZGVsaXZlcmVk","signpost_message":"msg_01.1",'
        b'"sg_message_id":"14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0"}]\r\n',
    )
]
SETTINGS = SendGrid.demo_settings(CREDENTIALS)
LINK = "https://sign.example/r/agr-1001/eric?token=abc"


def sign(request: WebhookRequest, _: Mapping[str, Any], at: float = 0) -> WebhookRequest:
    """Sign a request as SendGrid does, with the key that belongs to the demo's settings."""
    secret = int(CREDENTIALS.derive("sendgrid signature", 62), 16)
    signed_at = str(int(at or time.time()))
    signature = ec.derive_private_key(secret, ec.SECP256R1()).sign(
        signed_at.encode() + request.body, ec.ECDSA(SHA256())
    )
    proof = {SIGNATURE: b64encode(signature).decode(), TIMESTAMP: signed_at}
    return replace(request, headers={**request.headers, **proof})


def outbound(**more: Any) -> Outbound:
    text = f"Hello Eric,\n\nAcme HR sent you a document.\n\n{LINK}"
    button = Button("Review and sign", LINK)
    values: dict[str, Any] = {"id": "msg_1", "attempt": 2, "to": "eric@example.com", "text": text}
    return Outbound(**values | {"buttons": (button,), "subject": "Please sign"} | more)


def sendgrid(url: str = "https://api.sendgrid.com", **changed: Any) -> SendGrid:
    http = ProviderHttpClient(allow=frozenset({url.partition("//")[2]}))
    api = {"sendgrid": url, "sendgrideu": url}
    return SendGrid({**(SETTINGS or {}), **changed}, http, api)


@pytest.fixture
def recorder() -> Iterator[HttpRecorder]:
    with record_requests() as recorder:
        yield recorder


def refusal(message: str, field: str | None = None) -> dict[str, Any]:
    return {"errors": [{"message": message, "field": field, "help": None}]}


# ── The request ───────────────────────────────────────────────────────────────────────────────────
def test_tracking_is_switched_off_in_every_request() -> None:
    branding = Branding(name="Acme", logo=b"\x89PNG", logo_type="image/png", color="#112233")
    messages = [outbound(), outbound(branding=branding), outbound(reminds=True, locale="de")]
    for message in messages:
        request = sendgrid().render(message)
        assert request["tracking_settings"] == {
            "click_tracking": {"enable": False, "enable_text": False},
            "open_tracking": {"enable": False},
            "subscription_tracking": {"enable": False},
            "ganalytics": {"enable": False},
        }
        html = request["content"][1]["value"]
        assert "http" not in html.replace(LINK, "").replace("http://www.w3.org/", "").replace(
            "http-equiv", ""
        ), "an email loads nothing and leads nowhere else"


def test_request_has_the_same_letter_as_an_email_over_smtp() -> None:
    more = {
        "request": "req_9",
        "sender_name": "Acme HR, Berlin",
        "sender_address": "hr@acme.example",
        "reminds": True,
        "unsubscribe_url": "https://hub.example/u/token",
        "branding": Branding(name="Acme", support="help@acme.example", footer="Acme Ltd."),
    }
    email = compose(outbound(**more), {**(SETTINGS or {}), "reply_to": "sender"})
    request = sendgrid(reply_to="sender").render(outbound(**more))
    assert request["from"] == {"email": "agreements@acme.example", "name": "Acme HR, Berlin"}
    assert request["reply_to"] == {"email": "hr@acme.example"}
    assert request["subject"] == email["Subject"]
    headers = {name: str(email[name]) for name in request["headers"]}
    assert request["headers"] == headers
    assert headers["Message-ID"] == "<msg_1@acme.example>"
    assert headers["References"] == "<req_9@acme.example>"
    assert headers["List-Unsubscribe"] == "<https://hub.example/u/token>"
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    bodies = [
        str(part.get_content()).replace("\r\n", "\n").strip()
        for part in email.walk()
        if not part.is_multipart()
    ]
    assert [part["value"].strip() for part in request["content"]] == bodies


def test_request_names_the_attempt_and_holds_no_name_in_its_arguments() -> None:
    request = sendgrid().render(outbound(sender_name="Acme HR"))
    assert request["custom_args"] == {"signpost_message": "msg_1.2"}
    assert "categories" not in request


def test_files_and_the_logo_are_attached_and_not_shown_on_pages(recorder: HttpRecorder) -> None:
    recorder.answer(202, "", X_Message_Id="abc")
    message = outbound(
        attachments=(AttachedFile("a.pdf", "application/pdf", b"%PDF"),),
        branding=Branding(logo=b"\x89PNG", logo_type="image/png"),
    )
    assert sendgrid(recorder.url).send(message).provider_id == "abc"
    logo, file = recorder.bodies[0]["attachments"]
    assert (logo["disposition"], logo["content_id"]) == ("inline", "logo@signpost")
    assert 'src="cid:logo@signpost"' in recorder.bodies[0]["content"][1]["value"]
    assert b64decode(file["content"]) == b"%PDF"
    shown = sendgrid().render(message)["attachments"][1]["content"]
    assert shown == "(8 characters of base64)"


@pytest.mark.parametrize("to", ["eric@bücher.example", "ERIC@example.com"])
def test_domain_is_written_in_ascii(to: str) -> None:
    [recipient] = sendgrid().render(outbound(to=to))["personalizations"][0]["to"]
    assert recipient["email"].isascii()


def test_address_with_other_letters_is_refused_before_the_call() -> None:
    with pytest.raises(PermanentError) as problem:
        sendgrid().render(outbound(to="жук@example.com"))
    assert problem.value.code == "needs_ascii"


def test_region_decides_which_server_is_called() -> None:
    http = ProviderHttpClient()
    assert SendGrid(SETTINGS or {}, http).server_url() == "https://api.sendgrid.com"
    eu = SendGrid({**(SETTINGS or {}), "region": "eu"}, http)
    assert eu.server_url() == "https://api.eu.sendgrid.com"


# ── Errors ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("status", "message", "field", "error", "code"),
    [
        (401, "The provided authorization grant is invalid", None, ConnectionBroken, "http_401"),
        (401, "Maximum credits exceeded", None, ConnectionBroken, "credits"),
        (403, "access forbidden", None, ConnectionBroken, "access_forbidden"),
        (
            403,
            "The from address does not match a verified Sender Identity. Mail cannot be sent",
            "from",
            ConnectionBroken,
            "unverified_sender",
        ),
        (403, "Something else", None, ConnectionBroken, "http_403"),
        (
            400,
            "Does not contain a valid address.",
            "personalizations.0.to.0.email",
            PermanentError,
            "invalid_recipient",
        ),
        (400, "The from email is not valid.", "from.email", ConnectionBroken, "invalid_sender"),
        (400, "Bad Request", None, PermanentError, "http_400"),
        (413, "Payload Too Large", None, PermanentError, "http_413"),
        (500, "Internal Server Error", None, OutcomeUnknown, "http_500"),
        (503, "Service Unavailable", None, OutcomeUnknown, "http_503"),
    ],
)
def test_refusal_becomes_its_error(
    recorder: HttpRecorder,
    status: int,
    message: str,
    field: str | None,
    error: type[SendError],
    code: str,
) -> None:
    recorder.answer(status, refusal(message, field))
    with pytest.raises(error) as problem:
        sendgrid(recorder.url).send(outbound())
    assert type(problem.value) is error
    assert problem.value.code == code
    assert message not in str(problem.value), "an answer may repeat a message"


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        ({"x-ratelimit-reset": "1732900030", "date": "Fri, 29 Nov 2024 17:06:40 GMT"}, 30),
        ({"x-ratelimit-reset": "1732900000", "date": "Fri, 29 Nov 2024 17:06:40 GMT"}, 1),
        ({"x-ratelimit-reset": "soon"}, None),
        ({"x-ratelimit-reset": "1832900000", "date": "Fri, 29 Nov 2024 17:06:40 GMT"}, None),
        ({"retry-after": "7", "x-ratelimit-reset": "1732900030"}, 7),
    ],
)
def test_rate_limit_waits_for_the_reset_by_the_clock_of_sendgrid(
    headers: dict[str, str], pause: float | None
) -> None:
    body = json.dumps(refusal("too many requests")).encode()
    error = SendGrid.refusal(ProviderResponse(429, headers, body))
    assert isinstance(error, SlowDown)
    assert (error.code, error.retry_after) == ("http_429", pause)


def test_lost_answer_leaves_the_outcome_unknown(recorder: HttpRecorder) -> None:
    with pytest.raises(OutcomeUnknown):
        sendgrid(recorder.url).send(outbound())
    assert len(recorder.seen) == 1, "it is not sent again"


# ── The signature ─────────────────────────────────────────────────────────────────────────────────
def events_request(body: bytes = SAMPLE_WEBHOOKS[0][2]) -> WebhookRequest:
    return WebhookRequest("POST", "https://hub.example/x", "sendgrid", {}, body)


def test_signature_covers_the_raw_body_and_the_time() -> None:
    signed = sign(events_request(), {})
    sendgrid().verify(signed)
    later = {**signed.headers, TIMESTAMP: str(int(signed.headers[TIMESTAMP]) + 1)}
    for forged in (replace(signed, body=signed.body.strip()), replace(signed, headers=later)):
        with pytest.raises(BadWebhook):
            sendgrid().verify(forged)


@pytest.mark.parametrize("age", [MAX_AGE + 60, -7200])
def test_signature_of_another_time_is_refused(age: float) -> None:
    with pytest.raises(BadWebhook, match="too old or from the future"):
        sendgrid().verify(sign(events_request(), {}, at=time.time() - age))


def test_repeated_request_of_the_last_day_is_accepted() -> None:
    sendgrid().verify(sign(events_request(), {}, at=time.time() - 24 * 3600))


def test_nothing_is_accepted_without_the_verification_key() -> None:
    with pytest.raises(BadWebhook):
        sendgrid(verification_key="").verify(sign(events_request(), {}))


# ── The test of a connection ──────────────────────────────────────────────────────────────────────
def test_check_sends_nothing(recorder: HttpRecorder) -> None:
    recorder.answer(200, {"scopes": ["mail.send"]})
    recorder.answer(200, "")
    result = sendgrid(recorder.url).run_check()
    assert result.ok, result
    assert not result.warnings
    assert recorder.paths == ["/v3/scopes", "/v3/mail/send"]
    assert json.loads(recorder.seen[1][1])["mail_settings"] == {"sandbox_mode": {"enable": True}}
    assert recorder.headers[0]["authorization"] == f"Bearer {(SETTINGS or {})['api_key']}"


def test_check_reports_a_key_that_may_not_send(recorder: HttpRecorder) -> None:
    recorder.answer(200, {"scopes": ["user.profile.read"]})
    result = sendgrid(recorder.url).run_check()
    assert (result.ok, result.code, result.field) == (False, "no_permission", "api_key")
    assert recorder.paths == ["/v3/scopes"]


def test_check_warns_without_a_verification_key(recorder: HttpRecorder) -> None:
    recorder.answer(200, {"scopes": ["mail.send"]})
    recorder.answer(200, "")
    [warning] = sendgrid(recorder.url, verification_key="").run_check().warnings
    assert warning.startswith("The verification key is missing")


def test_accepted_message_waits_for_its_events(recorder: HttpRecorder) -> None:
    recorder.answer(202, "", X_Message_Id="14c5d75ce93.dfd.64b469")
    accepted = sendgrid(recorder.url).send(outbound())
    assert accepted.status == Status.ACCEPTED
    assert accepted.provider_id == "14c5d75ce93.dfd.64b469"


# ── Events of any content ─────────────────────────────────────────────────────────────────────────
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
JSON = st.recursive(VALUES, lambda inner: st.lists(inner, max_size=3), max_leaves=5)
NAMES = ("bounce", "blocked", "dropped", "deferred", "delivered", "processed", "spamreport")
EVENTS = st.fixed_dictionaries(
    {"signpost_message": st.just("msg_01a2291a-dd01-72f5-83ae-33538080fe13.1") | JSON},
    optional={
        "event": st.sampled_from(NAMES) | JSON,
        "type": st.sampled_from(("bounce", "blocked", "expired")) | JSON,
        "status": st.sampled_from(("5.1.1", "4.2.2", "5.7.26")) | JSON,
        "reason": st.sampled_from(("Bounced Address", "Invalid")) | JSON,
        "bounce_classification": JSON,
        "timestamp": st.integers() | JSON,
    },
)


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(EVENTS | JSON, max_size=5))
def test_events_of_any_content_are_read(content: list[Any]) -> None:
    for event in events_of(json.dumps(content).encode()):
        if not isinstance(event, Unrecognized):
            assert isinstance(event, StatusUpdate)
            assert event.message_id == "msg_01a2291a-dd01-72f5-83ae-33538080fe13"
            assert (event.status is Status.UNDELIVERED) == (event.feedback is Feedback.BOUNCED)


@pytest.mark.parametrize(
    ("event", "code", "opts_out"),
    [
        ({"type": "bounce", "status": "5.1.1"}, "bounced", True),
        ({"type": "bounce"}, "bounced", True),
        (
            {"type": "bounce", "status": "5.0.0", "bounce_classification": "Content"},
            "blocked",
            False,
        ),
        ({"type": "bounce", "status": "4.4.7"}, "blocked", False),
        ({"type": "blocked", "status": "5.1.1"}, "blocked", False),
        ({"type": "blocked", "reason": "unable to get mx info"}, "blocked", False),
        ({"type": "blocked", "reason": "550 5.7.515 Access denied"}, "5.7.515", False),
        ({"type": "blocked", "status": "5.2.2"}, "blocked_full", False),
        ({}, "blocked", False),
    ],
)
def test_only_a_hard_bounce_opts_the_recipient_out(
    event: dict[str, str], code: str, opts_out: bool
) -> None:
    sent = {"event": "bounce", "signpost_message": "msg_01.1", **event}
    [update] = events_of(json.dumps([sent]).encode())
    assert isinstance(update, StatusUpdate)
    assert update.code == code
    assert isinstance(update.error, RecipientRefused) is opts_out
