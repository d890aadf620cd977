"""An optional secret is never sent to another server, and can be removed by changing the server."""

from __future__ import annotations

import pytest

from hub.admin.view.field_attributes import with_error_attributes
from hub.connections import settings_form
from hub.connections.settings_form import InvalidSettings
from hub.integrations.api import (
    ConfigForm,
    Integration,
    SecretField,
    ServerField,
    TextField,
    optional_secret,
)

STORED = {"server": "https://push.example", "user": "dana", "token": "tk_1", "key": "key_1"}
OTHER = "https://push.company.example"


class Push(Integration):
    """Send to a server that needs a token only for protected topics."""

    account_setting = "server"

    class Form(ConfigForm):
        server = ServerField()
        user = TextField("User name", description="Only with a key.")
        token = SecretField("Access token", optional_secret("access token"), ("server",))
        key = SecretField("Key", optional_secret("key"), ("server", "user"))


def saved(**entered: str) -> dict[str, str]:
    values = {**STORED, "token": "", "key": "", **entered}
    return settings_form.get_settings(settings_form.read_form(Push, values, STORED))


def test_blank_secret_is_kept_for_the_same_server() -> None:
    assert saved() == STORED


def test_blank_secret_is_removed_with_a_change_of_the_server() -> None:
    assert saved(server=OTHER) == {"server": OTHER, "user": "dana", "token": "", "key": ""}


def test_entered_secret_belongs_to_the_new_server() -> None:
    assert saved(server=OTHER, token="tk_2")["token"] == "tk_2"


def test_change_of_an_optional_field_requires_the_secret_again() -> None:
    with pytest.raises(InvalidSettings, match="Enter the Key that belongs to it"):
        saved(user="eric")
    with pytest.raises(InvalidSettings, match="Enter the Key that belongs to it"):
        saved(user="eric", server=OTHER)
    assert saved(user="")["key"] == ""


def test_form_says_what_removes_the_secret() -> None:
    form = settings_form.empty_form(Push, STORED)
    hints = [
        with_error_attributes(field, "")["placeholder"] for field in (form["token"], form["key"])
    ]
    assert hints == ["Stored. Leave empty to keep it. Changing Server address removes it"] * 2
    blank = settings_form.empty_form(Push, {})
    assert "placeholder" not in with_error_attributes(blank["token"], "")
