"""Extreme values that are accepted can be stored, sent, processed, shown and exported."""

from __future__ import annotations

import csv
import io
from collections import Counter
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.core.errors import Refused
from hub.db.engine import db
from hub.jobs import chores, cron
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.contacts import consents, opt_out_files
from hub.messaging.state import job_failures
from tests import every_page
from tests.conftest import Browser
from tests.effort import sized
from tests.hub_fixtures import (
    SigningApp,
    deliver,
    post_callback,
    process_pending_callbacks,
    status_form,
)

TIMES = st.one_of(
    st.sampled_from(
        [
            "0001-01-01T00:00:00+14:00",
            "0001-01-01T00:00:00Z",
            "1999-12-31T23:59:59Z",
            "2000-01-01T00:00:00Z",
            "2000-01-01T13:59:59+14:00",
            "2000-01-01T14:00:00+14:00",
            "2099-12-31T23:59:59.999999Z",
            "2099-12-31T23:59:59.999999+14:00",
            "2099-12-31T11:59:59-12:00",
            "9999-12-31T23:59:59-14:00",
        ]
    ),
    st.datetimes().map(lambda moment: f"{moment.isoformat()}Z"),
)
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=500),
    st.sampled_from(
        [
            "",
            " ",
            "=1+1",
            "{{ title }}",
            "\u202egnp.exe",
            "𝔘" * 250,
            "e\u0301" * 200,
            "\x00",
            "\r\n",
            "'\"<b>",
            "%s%n",
        ]
    ),
)
IDS = st.one_of(
    TEXTS.map(lambda text: text[:200]),
    st.sampled_from([".", "..", "a/b", "%2F", "?", "#", "x" * 200]),
)
NUMBERS = st.integers(0, 9999).map(lambda n: f"+1317555{n:04}")
ZONES = st.sampled_from([*every_page.ZONES, "Etc/GMT+12", "Etc/GMT-14", "Mars/Olympus"])
URLS = st.one_of(
    TEXTS.map(lambda text: f"https://sign.example/{text}"), st.just("https://[::1]/" + "x" * 1900)
)


def some_of(
    required: dict[str, Any], optional: dict[str, Any]
) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required, optional=optional)


SIGNER = some_of(
    {"id": IDS},
    {
        "name": TEXTS,
        "email": st.just("eric@example.com"),
        "mobile_number": NUMBERS,
        "locale": st.sampled_from(["en", "pt-BR", "zz", "x"]),
        "time_zone": ZONES,
        "order": st.integers(-1, 1001),
        "signing_url": URLS,
        "download_url": URLS,
        "preference": st.just(["whatsapp", "sms"]),
    },
)
EVENT = some_of(
    {
        "type": st.sampled_from(
            ["request.sent", "request.viewed", "request.completed", "request.reminder"]
        ),
        "request": some_of(
            {"id": IDS},
            {
                "title": TEXTS,
                "expires_at": TIMES,
                "url": URLS,
                "sender": st.fixed_dictionaries({"name": TEXTS}),
            },
        ),
    },
    {
        "occurred_at": TIMES,
        "id": IDS,
        "signers": st.lists(SIGNER, max_size=3, unique_by=lambda signer: signer["id"]),
        "download_url": URLS,
    },
)
MESSAGE = some_of({"to": NUMBERS, "text": TEXTS, "channel": st.just("sms")}, {})
CONSENT = some_of(
    {"address": NUMBERS, "given": st.booleans()},
    {
        "at": TIMES,
        "channel": st.sampled_from(["sms", "whatsapp", "voice"]),
        "purpose": TEXTS,
        "ip": TEXTS,
        "agent": TEXTS,
        "proof": TEXTS,
    },
)
CLOSED = some_of(
    {"address": NUMBERS, "channel": st.sampled_from(["whatsapp", "voice"])}, {"why": TEXTS}
)
LINE = st.fixed_dictionaries(
    {
        "address": NUMBERS,
        "given": st.sampled_from(["yes", "no", "maybe"]),
        "channel": st.sampled_from(["", "whatsapp"]),
        "purpose": TEXTS,
        "at": TIMES,
        "ip": TEXTS,
        "agent": TEXTS,
        "proof": TEXTS,
    }
)
OPT_OUT = st.fixed_dictionaries(
    {
        "address": NUMBERS,
        "channel": st.sampled_from(["voice", "whatsapp"]),
        "why": TEXTS,
        "since": TIMES,
    }
)
EACH = st.fixed_dictionaries(
    {
        "/events": st.lists(EVENT, max_size=6),
        "/messages": st.lists(MESSAGE, max_size=4),
        "/consents": st.lists(CONSENT, max_size=6),
        "/suppressions": st.lists(CLOSED, max_size=3),
    }
)
FEW = settings(max_examples=sized(8, 2), deadline=None, suppress_health_check=list(HealthCheck))


@FEW
@given(
    bodies=EACH,
    lines=st.lists(LINE, max_size=5),
    opt_outs=st.lists(OPT_OUT, max_size=5),
    texts=st.lists(TEXTS, max_size=3),
)
def test_accepted_url_can_be_used(
    hub_demo: Flask,
    served: Flask,
    simulator: Any,
    signing_app: SigningApp,
    admin: Browser,
    bodies: dict[str, list[dict[str, Any]]],
    lines: list[dict[str, str]],
    opt_outs: list[dict[str, str]],
    texts: list[str],
) -> None:
    answers: Counter[int] = Counter()
    for path, values in bodies.items():
        answers.update(signing_app.post(path, value).status_code for value in values)
    assert set(answers) <= {201, 202, 404, 409, 422}, answers
    for import_file, rows in (
        (consents.import_consents, lines),
        (opt_out_files.import_opt_outs, opt_outs),
    ):
        import_rows(import_file, rows)
    for n, text in enumerate(texts):
        form = status_form(
            hub_demo, f"SM{n:032x}", "received", Body=text, From="+13175550001", ProfileName=text
        )
        form["To"] = status_form(hub_demo, "SM", "x")["From"]
        form.pop("MessageStatus")
        assert post_callback(
            hub_demo, form, target="/api/rpc/webhooks/twilio/inbound"
        ).status_code in (
            200,
            403,
        )
    run_jobs()
    for zone in sized(every_page.ZONES, every_page.ZONES[:2]):  # the first two are the extremes
        every_page.assert_all_open(admin, zone)
    for path in ("/messages", "/suppressions"):
        assert signing_app.get(path).status_code == 200
    assert job_failures.recent_failures() == {}


def import_rows(import_file: Any, rows: list[dict[str, str]]) -> None:
    """Import rows as a CSV file, which may be refused partly or completely."""
    out = io.StringIO()
    if rows:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        try:
            import_file(out.getvalue(), test=True)
        except Refused:
            db.session.rollback()


def run_jobs() -> None:
    """Run the jobs of the workers and cron."""
    deliver()
    process_pending_callbacks()
    chores.run_chores(ShutdownSignal(20))
    cron.wake_queues()


@pytest.mark.parametrize("at", ["2000-01-01T00:00:00Z", "2000-01-01T14:00:00+14:00"])
def test_earliest_consent_is_shown_in_every_zone(
    hub_demo: Flask, served: Flask, simulator: Any, signing_app: SigningApp, admin: Browser, at: str
) -> None:
    for n in range(3):
        body = {"address": f"+1317555000{n}", "given": True, "at": at}
        assert signing_app.post("/consents", body).status_code == 201
    run_jobs()
    for zone in every_page.ZONES:
        every_page.assert_all_open(admin, zone)
