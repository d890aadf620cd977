"""Reports of failed deliveries in odd forms: only those about a dead address suppress it."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hub.core.errors import RecipientRefused
from hub.core.vocabulary import Feedback, Status
from hub.integrations.base import StatusUpdate
from hub.integrations.smtp.errors import explain
from hub.integrations.smtp.inbound import events_of
from tests.effort import examples
from tests.integrations.test_smtp_inbound import RETURN, SETTINGS

DSN = """\
From: Mail Delivery System <mailer-daemon@mx.example>
To: {to}
Subject: Undelivered
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

Not delivered.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; eric@example.com
{fields}

--b--
"""
QMAIL = """\
From: MAILER-DAEMON@mx.example
To: {to}
Subject: failure notice

Hi. This is the qmail-send program at mx.example.
I'm afraid I wasn't able to deliver your message to the following addresses.

<eric@example.com>:
{reason}

--- Below this line is a copy of the message.

Subject: Mailbox full of spam (#5.2.2)
"""
WARNINGS = {
    "Google": "Delivery to the following recipient has been delayed:\n\n    eric@example.com\n\n"
    "Message will be retried for 2 more day(s)\n",
    "Exim": "A message that you sent has not yet been delivered to one or more of its\n"
    "recipients after more than 24 hours.\n\n"
    "The address to which the message has not yet been delivered is:\n\n"
    "  eric@example.com\n\nNo action is required on your part.\n",
}


def update_of(text: str, **values: str) -> StatusUpdate:
    content = text.format(to=RETURN, **values).replace("\n", "\r\n").encode()
    [update] = events_of(content, SETTINGS)
    assert isinstance(update, StatusUpdate)
    return update


@pytest.mark.parametrize(
    ("fields", "code", "suppresses"),
    [
        # servers that name the code only in their own words, as Exim does
        ("Action: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 550 5.1.1 Unknown", "5.1.1", True),
        ("Action: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 552-5.2.2 Full", "5.2.2", False),
        ("Action: failed\nDiagnostic-Code: smtp; 550 #5.1.1 Unknown", "5.1.1", True),
        ("Action: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 550 no", "5.0.0", False),
        ("Action: failed\nStatus: 5.7.1\nDiagnostic-Code: smtp; 550 5.1.1 x", "5.7.1", False),
        ("Action: failed", "returned", False),
        ("Action: Failed (bad destination mailbox)\nStatus: 5.1.1 (unknown)", "5.1.1", True),
        ("ACTION: FAILED\nSTATUS: 5.1.1", "5.1.1", True),
        ("Action: failed\nStatus:\n 5.1.1", "5.1.1", True),
    ],
)
def test_code_of_a_report_is_found(fields: str, code: str, suppresses: bool) -> None:
    update = update_of(DSN, fields=fields)
    assert (update.status, update.code) == (Status.UNDELIVERED, code)
    assert isinstance(update.error, RecipientRefused) is suppresses
    assert update.reason


@pytest.mark.parametrize(
    ("reason", "code", "suppresses"),
    [
        ("Sorry, no mailbox here by that name. (#5.1.1)", "5.1.1", True),
        ("Sorry, no mailbox here by that name.", "returned", False),
        ("El buzón está lleno.", "returned", False),
        ("550 Почтовый ящик переполнен", "returned", False),
        ("550 5.1.1 Unknown user. Relay: 552 5.2.2 full", "5.2.2", False),
        ("550 5.1.1 Unknown user, as 550 5.1.1 of the next server", "5.1.1", True),
        ("552 5.2.2 The mailbox is over quota", "5.2.2", False),
        ("The mailbox is full.", "returned", False),
        ("Rejected as spam.", "returned", False),
        ("550 5.7.1 Blocked", "5.7.1", False),
        ("Your network is on a blocklist.", "returned", False),
    ],
)
def test_report_in_words_suppresses_only_a_dead_address(
    reason: str, code: str, suppresses: bool
) -> None:
    update = update_of(QMAIL, reason=reason)
    assert (update.status, update.code) == (Status.UNDELIVERED, code)
    assert update.feedback == Feedback.BOUNCED
    assert isinstance(update.error, RecipientRefused) is suppresses


@given(words=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=200))
@settings(max_examples=examples(100))
@example(words="La casella di posta è piena")
@example(words="用户不存在")
@example(words="No such user (5.1.1)")
def test_report_in_the_words_of_any_language_suppresses_nobody(words: str) -> None:
    update = update_of(QMAIL, reason=words)
    assert (update.status, update.feedback) == (Status.UNDELIVERED, Feedback.BOUNCED)
    assert update.error is None or re.search(r"[45]\.\d+\.\d+", words)


@pytest.mark.parametrize(
    "line", ["Subject: ", "Return-Path: <x@acme.example>\nSubject: ", "> To: "]
)
def test_code_in_the_returned_message_is_not_that_of_the_failure(line: str) -> None:
    copy = f"--- Kopie der Nachricht\n\n{line}Vertrag (#5.1.1)\n\nX 550 5.1.1"
    assert update_of(QMAIL, reason=f"Postfach voll.\n\n{copy}").error is None


@pytest.mark.parametrize("server", WARNINGS)
def test_warning_about_a_delay_is_no_failure(server: str) -> None:
    text = f"From: mailer-daemon@mx.example\nTo: {{to}}\nSubject: Delay\n\n{WARNINGS[server]}"
    update = update_of(text)
    assert (update.status, update.feedback, update.error) == (None, None, None)
    assert update.provider_status == "delayed"


@pytest.mark.parametrize("status", ["4.2.2", "4.3.0", "4.4.1", "4.4.7", "4.7.1", "4.9.9", "5.2.2"])
def test_remedy_of_a_returned_message_promises_no_other_attempt(status: str) -> None:
    update = update_of(DSN, fields=f"Action: failed\nStatus: {status}")
    assert (update.code, update.error) == (status, None)
    problem = explain(update.code)
    assert problem is not None
    assert "tries again" not in problem.remedy.replace(
        "tries again while the message is queued", ""
    )


@pytest.mark.parametrize(
    ("code", "has_page"), [("returned", False), ("no_reply", False), ("5.1.1", True), ("421", True)]
)
def test_only_codes_of_mail_servers_lead_to_their_page(code: str, has_page: bool) -> None:
    problem = explain(code)
    assert problem is not None
    assert bool(problem.url) is has_page
