"""Settings, Sources and API keys: their pages and commands."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from hub.accounts import api_keys, sources
from hub.core.vocabulary import Role, Scope
from hub.db.engine import db
from hub.db.types import now
from hub.models import ApiKey, AuditEntry, Source, Suppression
from tests.commands import run_in_process
from tests.conftest import Browser


def rows(app: Flask, model: Any) -> list[Any]:
    with app.app_context():
        return list(db.session.scalars(select(model).order_by(model.id)))


def shown_api_key(page: str) -> str:
    """Return the API key that the page shows once."""
    match = re.search(r"sp_(?:test|live)_[\w-]+", page)
    assert match, page
    return match[0]


# ── Sources ─────────────────────────────────────────────────────────────────────────────────────
def test_source_is_added_renamed_and_given_a_key(app: Flask, admin: Browser) -> None:
    added = admin.post("/settings/sources", {"name": "  Acme   Leases "})
    assert added.headers["Location"] == "/settings/sources/acme-leases"
    admin.post("/settings/sources/acme-leases", {"name": "Acme Rents"})
    assert "Acme Rents" in admin.get("/settings/sources").text
    page = admin.get("/settings/api-keys?source=acme-leases").text
    assert re.search(r'<option selected value="acme-leases">Acme Rents', page)
    key = shown_api_key(
        admin.post("/settings/api-keys", {"name": "App", "source": "acme-leases"}).text
    )
    with app.app_context():
        authenticated = api_keys.find_key(key)
        assert authenticated is not None
        assert authenticated.source_id == sources.get_source("acme-leases").id
    assert "App" in admin.get("/settings/sources/acme-leases").text
    assert "App" not in admin.get("/settings/sources/default").text


@pytest.mark.parametrize("name", ["日本", "😀", "—"])
def test_name_without_slug_characters_requires_a_slug(admin: Browser, name: str) -> None:
    answer = admin.post("/settings/sources", {"name": name})
    assert answer.status_code == 422
    assert "cannot be derived from this name" in answer.text
    assert admin.post("/settings/sources", {"name": name, "slug": "east"}).status_code == 303


@pytest.mark.parametrize(
    "name", ["\u202eAcme", "Ac\u2066me", "Acme\u200f", "Ac\x1b[31mme", "Acme\u2028"]
)
def test_names_with_control_characters_are_stored_printable(
    app: Flask, admin: Browser, name: str
) -> None:
    admin.post("/settings/sources", {"name": name, "slug": "acme"})
    admin.post("/settings/api-keys", {"name": name, "source": "acme"})
    names = [row.name for row in rows(app, Source) if row.slug == "acme"]
    names += [row.name for row in rows(app, ApiKey)]
    assert len(names) == 2
    assert all(stored_name.isprintable() and not stored_name.isspace() for stored_name in names)


def test_consents_apply_to_every_source_once_an_admin_allows_it(app: Flask, admin: Browser) -> None:
    for ticked, expected in (({"applies_to_all": "y"}, True), ({}, False)):
        admin.post("/settings/sources/default", {"name": "Default", **ticked})
        assert [row.applies_to_all for row in rows(app, Source)] == [expected]
    assert "changed where the opt-outs of the source Default apply" in (
        admin.get("/activity?kind=source").text.lower().replace("default", "Default")
    )


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"name": " "}, "Enter a name"),
        ({"name": "x" * 81}, "at most 80"),
        ({"name": "Leases", "slug": "Acme Leases"}, "lowercase"),
        ({"name": "§"}, "cannot be derived"),
        ({"name": "Default"}, "Another source"),
    ],
)
def test_invalid_source_is_refused_beside_its_field(
    app: Flask, admin: Browser, values: dict[str, str], error: str
) -> None:
    answer = admin.post("/settings/sources", values)
    assert answer.status_code == 422
    assert error in answer.text
    assert len(rows(app, Source)) == 1


def test_unknown_source_is_not_found(admin: Browser) -> None:
    assert admin.get("/settings/sources/nothing").status_code == 404
    assert admin.post("/settings/sources/nothing", {"name": "X"}).status_code == 404


def test_viewer_reads_sources_and_cannot_change_them(
    app: Flask, browser_for: Callable[..., Browser]
) -> None:
    viewer = browser_for(Role.VIEWER)
    assert "Save changes" not in viewer.get("/settings/sources/default").text
    assert viewer.post("/settings/sources/default", {"name": "Mine"}).status_code == 403
    assert rows(app, Source)[0].name == "Default"


def test_opt_outs_name_their_source(app: Flask, admin: Browser) -> None:
    from hub.messaging.contacts import suppressions

    with app.app_context():
        owner = sources.get_source("default").id
        suppressions.add_opt_out("+13175551234", test=False, reason="api", source_id=owner)
        suppressions.add_opt_out("+13175551235", test=False)
    page = admin.get("/opt-outs").text
    assert page.count("Source: Default") == 1
    assert len(rows(app, Suppression)) == 2


# ── Reminders ─────────────────────────────────────────────────────────────────────────────────────
REMINDERS = {
    "reminded_by": "hub",
    "test_reminded_by": "hub",
    "days": "2, 5 9",
    "days_before_expiry": "",
    "most": "4",
    "working_days": "y",
    "time_zone": "Europe/Paris",
}
REMINDERS_PATH = "/settings/sources/default/reminders"


def test_reminders_of_a_source_are_stored_and_shown_as_entered(app: Flask, admin: Browser) -> None:
    assert admin.post(REMINDERS_PATH, REMINDERS).status_code == 303
    [source] = rows(app, Source)
    assert json.loads(source.reminders) == {
        "days": [2, 5, 9],
        "days_before_expiry": [],
        "most": 4,
        "working_days": True,
    }
    assert (source.reminded_by, source.time_zone) == ("hub", "Europe/Paris")
    page = admin.get("/settings/sources/default").text
    for shown in ('value="2, 5, 9"', 'value="4"', '<option selected value="Europe/Paris">'):
        assert shown in page
    assert "changed the reminders of the source default" in admin.get("/activity").text.lower()


def test_unchanged_settings_of_reminders_stay_inherited(app: Flask, admin: Browser) -> None:
    unchanged = {"days": "3, 7, 14", "days_before_expiry": "1", "most": "5", "working_days": ""}
    assert admin.post(REMINDERS_PATH, {**REMINDERS, **unchanged}).status_code == 303
    [source] = rows(app, Source)
    assert json.loads(source.reminders) == {}


def test_switched_on_reminders_count_from_now(app: Flask, admin: Browser) -> None:
    admin.post(REMINDERS_PATH, {**REMINDERS, "reminded_by": "app"})
    [source] = rows(app, Source)
    assert (source.reminded_by, source.reminders_since) == ("app", None)
    admin.post(REMINDERS_PATH, REMINDERS)
    [source] = rows(app, Source)
    assert abs(now() - source.reminders_since) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"days": "soon"}, "whole numbers separated by commas"),
        ({"days": "0"}, "Enter days from 1 to 365"),
        ({"days": "٣"}, "whole numbers separated by commas"),
        ({"days_before_expiry": "400"}, "Enter days from 1 to 365"),
        ({"days": ",".join(map(str, range(1, 12)))}, "at most 10 days"),
        ({"most": "0"}, "number from 1 to 10"),
        ({"most": ""}, "number from 1 to 10"),
        ({"reminded_by": "nobody"}, "valid choice"),
        ({"test_reminded_by": "nobody"}, "valid choice"),
        ({"time_zone": "Mars"}, "valid choice"),
    ],
)
def test_invalid_reminders_are_refused_beside_their_field(
    app: Flask, admin: Browser, values: dict[str, str], error: str
) -> None:
    answer = admin.post(REMINDERS_PATH, {**REMINDERS, **values})
    assert answer.status_code == 422
    assert error in answer.text
    [source] = rows(app, Source)
    assert source.reminders is None


def test_only_admins_change_reminders(app: Flask, browser_for: Callable[..., Browser]) -> None:
    operator = browser_for(Role.OPERATOR)
    assert operator.post(REMINDERS_PATH, REMINDERS).status_code == 403
    assert "Save reminders" not in operator.get("/settings/sources/default").text


# ── Keys ────────────────────────────────────────────────────────────────────────────────────────
def test_api_key_has_its_chosen_scopes_and_can_be_changed(app: Flask, admin: Browser) -> None:
    day = now().date() + timedelta(days=30)
    fields = {"scopes": ["", "events:write"], "expires": day.isoformat(), "per_minute": "120"}
    shown_api_key(admin.post("/settings/api-keys", {"name": "Narrow", **fields}).text)
    [key] = rows(app, ApiKey)
    assert (key.scopes, key.per_minute) == ("events:write", 120)
    assert timedelta(days=29) < key.expires_at - now() < timedelta(days=32)
    listed = admin.get("/settings/api-keys").text
    assert "events:write" in listed
    last = f'<time datetime="{day.isoformat()}T23:59:59'
    assert last in listed, "the list shows the last day, as it was entered"
    page = admin.get(f"/settings/api-keys/{key.id}").text
    assert f'value="{day.isoformat()}"' in page
    admin.post(
        f"/settings/api-keys/{key.id}",
        {"scopes": ["", "messages:read"], "expires": day.isoformat(), "per_minute": ""},
    )
    [changed] = rows(app, ApiKey)
    assert (changed.scopes, changed.per_minute) == ("messages:read", None)
    assert changed.expires_at == key.expires_at, "a day that was not changed keeps its time"
    assert {"api_key.created", "api_key.changed"} <= {row.action for row in rows(app, AuditEntry)}


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"scopes": [""]}, "Choose at least one scope"),
        ({"scopes": ["", "all"]}, "There is no scope"),
        ({"expires": "2020-01-01"}, "in the future"),
        ({"expires": "9999-12-31"}, "next 10 years"),
        ({"expires": "tomorrow"}, "Enter a date, for example"),
        ({"per_minute": "0"}, "whole number from 1"),
        ({"per_minute": "99999999999999999999"}, "whole number from 1"),
        ({"per_minute": "many"}, "whole number from 1"),
        ({"source": "nothing"}, "valid choice"),
    ],
)
def test_invalid_api_key_is_refused_beside_its_field(
    app: Flask, admin: Browser, values: dict[str, Any], error: str
) -> None:
    answer = admin.post("/settings/api-keys", {"name": "Odd", **values})
    assert answer.status_code == 422
    assert error in answer.text
    assert rows(app, ApiKey) == []


def test_pages_with_keys_and_personal_data_are_not_cached(admin: Browser) -> None:
    for path in (
        "/settings/api-keys",
        "/opt-outs",
        "/opt-outs/files/consents",
        "/opt-outs/files/opt-outs",
    ):
        assert admin.get(path).headers["Cache-Control"] == "no-store"


# ── Commands ────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def run_command(app: Flask, environ: dict[str, str]) -> Callable[..., str]:
    """Return a function that runs a command with this test's settings and returns its output."""

    def command(*arguments: str, exit_code: int = 0) -> str:
        result = run_in_process(environ, *arguments)
        assert result.returncode == exit_code, result.stdout + result.stderr
        return (result.stderr if exit_code else result.stdout).strip()

    return command


def test_commands_add_rename_and_list_sources(app: Flask, run_command: Callable[..., str]) -> None:
    assert run_command("source", "create", "Acme Leases") == "acme-leases"
    assert run_command("source", "create", "Rents", "--slug", "acme-rents") == "acme-rents"
    run_command("source", "rename", "acme-rents", "Acme Rents")
    run_command("source", "opt-outs", "acme-rents", "--every-source")
    listed = run_command("source", "list").splitlines()
    assert [line.split()[0] for line in listed] == ["default", "acme-leases", "acme-rents"]
    assert "every source" in listed[2]
    assert listed[2].endswith("Acme Rents")
    assert "own messages" in listed[1]
    assert "There is no source" in run_command("source", "rename", "nothing", "X", exit_code=1)


def test_command_creates_an_api_key_with_scopes_and_an_expiry(
    app: Flask, run_command: Callable[..., str]
) -> None:
    run_command("source", "create", "Leases")
    text = run_command(
        "api-key",
        "create",
        "Narrow",
        "--source",
        "leases",
        "--scope",
        "events:write",
        "--scope",
        "messages:read",
        "--expires",
        "90d",
        "--per-minute",
        "60",
    )
    with app.app_context():
        key = api_keys.find_key(text)
        assert key is not None
        assert key.scopes == {Scope.EVENTS_WRITE, Scope.MESSAGES_READ}
        assert (key.per_minute, key.source_id) == (60, sources.get_source("leases").id)
        expires_at = api_keys.get_key(key.id).expires_at
        assert expires_at is not None
        assert abs(expires_at - now() - timedelta(days=90)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    "when", ["soon", "2020-01-01", "2027-01-31T09:30:00", "99999d", "9999-12-31"]
)
def test_invalid_expiry_is_refused(app: Flask, run_command: Callable[..., str], when: str) -> None:
    run_command("api-key", "create", "Odd", "--expires", when, exit_code=1)
    assert rows(app, ApiKey) == []
