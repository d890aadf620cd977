"""The steps at the top of a connection's page, and the markup of its fields."""

from __future__ import annotations

import pytest
from wtforms import Form, PasswordField, StringField

from hub.admin.connections.setup_steps import list_setup_steps
from hub.admin.view.field_attributes import with_error_attributes
from hub.core.vocabulary import ConnectionState
from hub.models import Connection

PASSED = {"settings_version": 1, "checked_version": 1, "checked_ok": True}


def _connection(**values: object) -> Connection:
    return Connection(**{"state": ConnectionState.NEW.value, "settings_version": 0, **values})


@pytest.mark.parametrize(
    ("connection", "has_sent_message", "expected"),
    [
        (None, False, ["here", "", "", ""]),
        (_connection(), False, ["here", "", "", ""]),
        (_connection(settings_version=1), False, ["done", "here", "", ""]),
        (_connection(**PASSED), False, ["done", "done", "here", ""]),
        (
            _connection(settings_version=2, checked_version=1, checked_ok=True),
            False,
            ["done", "here", "", ""],
        ),
        (
            _connection(settings_version=1, checked_version=1, checked_ok=False),
            True,
            ["done", "stuck", "", "done"],
        ),
        (
            _connection(**PASSED, state="enabled"),
            False,
            ["done", "done", "done", "here"],
        ),
        (
            _connection(**PASSED, state="enabled"),
            True,
            ["done", "done", "done", "done"],
        ),
        (_connection(**PASSED, state="broken"), True, ["done", "stuck", "", "done"]),
    ],
)
def test_steps_show_progress_and_the_next_action(
    connection: Connection | None, has_sent_message: bool, expected: list[str]
) -> None:
    assert [
        state for _, state in list_setup_steps(connection, sent_one=has_sent_message)
    ] == expected


@pytest.mark.parametrize(
    ("connection", "passed", "expected"),
    [
        (None, False, ("Test failed", "stuck")),
        (None, True, ("Test", "done")),
        (_connection(settings_version=1), True, ("Test", "done")),
        (_connection(**PASSED), False, ("Test failed", "stuck")),
    ],
)
def test_steps_show_the_result_of_a_test_on_the_page(
    connection: Connection | None, passed: bool, expected: tuple[str, str]
) -> None:
    assert list_setup_steps(connection, sent_one=False, passed=passed)[1] == expected


class _Settings(Form):
    sid = StringField(
        "SID",
        description="Where to find it.",
        render_kw={"legend": "Account", "mono": True, "half": True},
    )
    token = PasswordField("Token")


def test_page_text_never_becomes_an_attribute() -> None:
    field = _Settings().sid
    written = field(**with_error_attributes(field, "form-control"))
    assert 'class="form-control sp-mono"' in written
    assert 'aria-describedby="sid-error sid-help"' in written
    assert not any(attribute in written for attribute in ("legend", "half", "mono=", "optional"))


def test_invalid_field_is_announced_to_screen_readers() -> None:
    field = _Settings().sid
    field.errors = ["It is too short."]
    written = field(**with_error_attributes(field, "form-control"))
    assert 'aria-invalid="true"' in written
    assert "is-invalid" in written


def test_stored_secret_is_hinted_at_and_never_shown() -> None:
    field = _Settings(data={"token": "s3cret"}).token
    field.stored = True
    written = field(**with_error_attributes(field, "form-control"))
    assert "s3cret" not in written
    assert 'placeholder="Stored. Leave empty to keep it"' in written
    assert 'autocomplete="new-password"' in written
