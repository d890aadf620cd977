"""Opt-outs and consents in the API and in files."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from hub.core.errors import Refused
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.messaging.contacts import consents, opt_out_files
from hub.messaging.contacts.consents import ConsentEntry
from hub.models import Consent, Suppression
from tests.hub_fixtures import ANNA, ERIC, SigningApp, json_of, queue_text, status


# ── Opt-outs ──────────────────────────────────────────────────────────────────────────────────────
def test_opt_out_is_added_listed_and_removed(signing_app: SigningApp) -> None:
    response = signing_app.post("/suppressions", {"address": ERIC, "why": "Asked us."})
    assert (response.status_code, json_of(response)["reason"], json_of(response)["channel"]) == (
        201,
        "api",
        None,
    )
    assert status(queue_text()) == "suppressed"
    second_opt_out = json_of(signing_app.post("/suppressions", {"address": ERIC}))
    assert second_opt_out["id"] == json_of(response)["id"], "what is closed stays as it is"
    [listed] = json_of(signing_app.get("/suppressions", address=ERIC))["suppressions"]
    assert (listed["address"], listed["why"]) == (ERIC, "Asked us.")
    assert json_of(signing_app.get("/suppressions", address=ANNA))["suppressions"] == []
    refused = signing_app.post(f"/suppressions/{listed['id']}/lift", {"why": ""})
    assert refused.status_code == 422
    lifted = signing_app.post(f"/suppressions/{listed['id']}/lift", {"why": "Wants them again."})
    assert (lifted.status_code, json_of(lifted)["lifted_why"]) == (200, "Wants them again.")
    assert status(queue_text()) == "queued"
    assert (
        signing_app.post(f"/suppressions/{listed['id']}/lift", {"why": "Twice"}).status_code == 404
    )
    assert [
        suppression["id"]
        for suppression in json_of(signing_app.get("/suppressions", opened="true"))["suppressions"]
    ] == [listed["id"]]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"address": "317 555 1234"}, "address"),
        ({"address": "a@@b"}, "address"),
        ({"address": ERIC, "channel": "fake_chat"}, "channel"),
        ({}, "address"),
    ],
)
def test_invalid_opt_out_is_refused_with_its_field(
    signing_app: SigningApp, fields: dict[str, str], field: str
) -> None:
    answer = signing_app.post("/suppressions", fields)
    assert (answer.status_code, json_of(answer)["field"]) == (422, field)


def test_list_continues_on_the_next_page(signing_app: SigningApp) -> None:
    for n in range(5):
        signing_app.post("/suppressions", {"address": f"+131755510{n:02d}"})
    first = json_of(signing_app.get("/suppressions", limit=3))
    second_page = json_of(signing_app.get("/suppressions", limit=3, after=first["next"]))
    assert (len(first["suppressions"]), len(second_page["suppressions"]), second_page["next"]) == (
        3,
        2,
        None,
    )
    assert signing_app.get("/suppressions", after="nothing").status_code == 422


def test_live_key_cannot_see_or_lift_test_opt_outs(
    signing_app: SigningApp,
) -> None:
    from hub.accounts import api_keys

    row = json_of(signing_app.post("/suppressions", {"address": ERIC}))
    live = SigningApp(signing_app.client, api_keys.create_key("Live", test=False))
    assert json_of(live.get("/suppressions"))["suppressions"] == []
    assert live.post(f"/suppressions/{row['id']}/lift", {"why": "Mine"}).status_code == 404


def test_import_stores_valid_lines_and_reports_each_invalid_one(
    signing_app: SigningApp,
) -> None:
    lines = (
        f"\ufeffaddress,channel,why\n{ERIC},,Old"
        f" list\nnonsense,,\n{ANNA},SMS,\n{ANNA},fake_chat,\n{ERIC},,again\n"
    )
    report = opt_out_files.import_opt_outs(lines, test=True)
    assert (report.stored, report.duplicates, [number for number, _ in report.refused]) == (
        2,
        1,
        [3, 5],
    )
    assert "fake_chat" in report.refused[1][1]
    out = "".join(opt_out_files.export_opt_outs(test=True)).splitlines()
    assert out[0] == "address,channel,reason,why,since,sender,code,kind,app"
    assert sorted(line.split(",")[0] for line in out[1:]) == sorted([f"'{ERIC}", f"'{ANNA}"])
    assert opt_out_files.import_opt_outs("\n".join(out), test=True).refused == [], (
        "what was exported can be imported"
    )
    assert "".join(opt_out_files.export_opt_outs(test=False)).count("\n") == 1


@pytest.mark.parametrize("content", ["", "number\n+13175551234\n"])
def test_file_without_addresses_is_refused_completely(
    signing_app: SigningApp, content: str
) -> None:
    with pytest.raises(Refused):
        opt_out_files.import_opt_outs(content, test=True)
    assert db.session.scalars(select(Suppression)).all() == []


def test_formula_like_cell_is_escaped(signing_app: SigningApp) -> None:
    signing_app.post("/suppressions", {"address": ERIC, "why": "=HYPERLINK(1)"})
    assert ",'=HYPERLINK(1)," in "".join(opt_out_files.export_opt_outs(test=True))


# ── Consents ──────────────────────────────────────────────────────────────────────────────────────
YES: dict[str, Any] = {
    "address": ERIC,
    "given": True,
    "channel": "whatsapp",
    "purpose": "reminders",
    "at": "2026-01-02T03:04:05Z",
    "ip": "203.0.113.7",
    "agent": "Mozilla/5.0",
    "proof": "I agree to messages on WhatsApp.",
}


def test_recorded_consent_is_immutable(signing_app: SigningApp) -> None:
    response = signing_app.post("/consents", YES)
    assert response.status_code == 201
    signing_app.post("/consents", {"address": ERIC, "given": False})
    listed = json_of(signing_app.get("/consents", address=ERIC))["consents"]
    assert [consent["given"] for consent in listed] == [False, True]
    assert {name: listed[1][name] for name in YES} == YES
    assert b"WhatsApp" not in (
        db.session.scalars(select(Consent._proof).where(Consent._proof.is_not(None))).one() or b""
    )
    contact_id = db.session.scalars(select(Consent.contact_id)).first()
    assert contact_id is not None
    latest = consents.current_consents(contact_id, "whatsapp")
    assert latest is not None
    assert not latest.given, "the later word is about every channel"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"address": "nobody"}, "address"),
        ({"given": "perhaps"}, "given"),
        ({"channel": "fake_chat"}, "channel"),
        ({"at": "2199-01-01T00:00:00Z"}, "at"),
        ({"at": "2026-01-01T00:00:00"}, "at"),
        ({"purpose": "x" * 101}, "purpose"),
    ],
)
def test_invalid_consent_is_refused_with_its_field(
    signing_app: SigningApp, fields: dict[str, Any], field: str
) -> None:
    answer = signing_app.post("/consents", {**YES, **fields})
    assert (answer.status_code, json_of(answer)["field"]) == (422, field)


@pytest.mark.parametrize("value", ["off", "no", "false", "yes", 0, 1, 1.0, "", None, []])
def test_consent_requires_a_boolean(signing_app: SigningApp, value: Any) -> None:
    answer = signing_app.post("/consents", {"address": ERIC, "given": value})
    assert (answer.status_code, json_of(answer)["field"]) == (422, "given")


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r", "\u2028"])
def test_consent_with_a_two_line_ip_survives_export_and_import(
    signing_app: SigningApp, line_end: str
) -> None:
    consent = {"address": ERIC, "given": True, "ip": f"203.0.113.7,{line_end}10.0.0.1"}
    assert json_of(signing_app.post("/consents", consent))["ip"] == "203.0.113.7, 10.0.0.1"
    transaction(lambda: setattr(db.session.scalars(select(Consent)).one(), "ip", consent["ip"]))()
    exported = "".join(consents.export_consents(test=True))
    report = consents.import_consents(exported, test=True)
    assert (report.stored, report.duplicates, report.refused) == (0, 1, [])


def test_consent_import_stores_valid_lines(signing_app: SigningApp) -> None:
    lines = (
        f"address,given,at,proof\n{ERIC},yes,2026-01-02,Signed form"
        f" 4\n{ANNA},NO,,\nnobody,yes,,\n{ERIC},maybe,,\n{ERIC},yes,soon,\n"
    )
    report = consents.import_consents(lines, test=True)
    assert (report.stored, [number for number, _ in report.refused]) == (2, [4, 5, 6])
    assert report.refused[2][1].startswith("at: ")
    out = "".join(consents.export_consents(test=True)).splitlines()
    assert out[1].startswith(f"'{ERIC},,,yes,import,2026-01-02T00:00:00")
    assert consents.import_consents("\n".join(out), test=True).refused == []


def test_latest_consent_counts_in_any_order_of_recording(
    signing_app: SigningApp,
) -> None:
    from datetime import timedelta

    from hub.db.types import now

    for is_consent, ago in ((False, 1), (True, 5)):
        consents.record_consent(
            ConsentEntry(ERIC, is_consent, at=now() - timedelta(days=ago)), source="api", test=True
        )
    contact_id = db.session.scalars(select(Consent.contact_id)).first()
    assert contact_id is not None
    latest = consents.current_consents(contact_id, "sms")
    assert latest is not None
    assert not latest.given


# ── Times, and answers that are true ──────────────────────────────────────────────────────────────
OUT_OF_RANGE = [
    "0001-01-01T00:00:00+14:00",
    "0001-01-01T00:00:00Z",
    "1999-12-31T23:59:59Z",
    "2100-01-01T00:00:00Z",
    "9999-12-31T23:59:59-14:00",
]


@pytest.mark.parametrize("at", OUT_OF_RANGE)
def test_consent_time_out_of_range_is_refused_with_the_range(
    signing_app: SigningApp, at: str
) -> None:
    answer = signing_app.post("/consents", {"address": "+13175557740", "given": True, "at": at})
    assert answer.status_code == 422
    assert answer.json
    assert answer.json["field"] == "at"
    assert "2000-01-01" in answer.json["detail"]
    assert signing_app.get("/consents", address="+13175557740").json == {
        "consents": [],
        "next": None,
    }


def test_consent_time_slightly_in_the_future_is_stored_as_now(
    signing_app: SigningApp,
) -> None:
    before = now()
    ahead = (before + timedelta(minutes=9)).isoformat()
    answer = signing_app.post("/consents", {"address": "+13175557740", "given": True, "at": ahead})
    assert answer.status_code == 201
    assert answer.json
    at = datetime.fromisoformat(answer.json["at"])
    assert before - timedelta(milliseconds=1) <= at <= now()
    later = (now() + timedelta(minutes=11)).isoformat()
    refused = signing_app.post("/consents", {"address": "+13175557740", "given": True, "at": later})
    assert refused.status_code == 422


def test_response_that_cannot_be_encoded_is_not_stored(
    signing_app: SigningApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raise_overflow(*_: object) -> None:
        raise OverflowError

    monkeypatch.setattr("hub.api.suppressions.ConsentOut", raise_overflow)
    key = {"Authorization": f"Bearer {signing_app.key}"}
    consent = {"address": "+13175557740", "given": True}
    answer = signing_app.client.post("/api/v1/consents", json=consent, headers=key)
    assert answer.status_code == 500
    assert answer.json
    assert "Nothing was stored" in answer.json["detail"]
    monkeypatch.undo()
    assert signing_app.get("/consents", address="+13175557740").json == {
        "consents": [],
        "next": None,
    }
