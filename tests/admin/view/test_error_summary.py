"""A refused form has an error summary at the top and “Error:” in the title."""

from __future__ import annotations

import html
import re

import pytest

from tests.conftest import Browser

USER = {"name": "", "email": "", "role": "1"}


def summary(page: str) -> list[tuple[str, str]]:
    """Return the target and text of each link in the error summary."""
    match = re.search(r'<div id="error-summary">(.*?)</div>\s*</div>', page, re.DOTALL)
    assert match
    return [
        (target, html.unescape(text))
        for target, text in re.findall(r'<a href="#([^"]+)">([^<]+)</a>', match[1])
    ]


def test_error_summary_links_to_the_field(admin: Browser) -> None:
    answer = admin.post("/settings/users", USER)
    assert answer.status_code == 422
    assert "<title>Error: Users" in answer.text
    listed = summary(answer.text)
    assert [target for target, _ in listed] == ["name", "email"]
    for target, text in listed:
        assert f'id="{target}"' in answer.text
        assert text.split(": ", 1)[1] in answer.text.split('<form class="sp-panel"')[1]


def test_page_without_errors_has_no_summary(admin: Browser) -> None:
    page = admin.get("/settings/users").text
    assert "<title>Users" in page
    assert summary(page) == []
    assert "autofocus" not in page


@pytest.mark.parametrize(
    ("path", "data", "control"),
    [
        ("/settings/api-keys", {"name": "Contracts", "scopes": ""}, "scopes-0"),
        ("/settings/api-keys", {"name": ""}, "name"),
        ("/account", {"current": "", "password": ""}, "current"),
        ("/opt-outs", {"address": "317 555 0100", "channel": ""}, "address"),
        ("/integrations/twilio_sms/new", {"do": "save", "title": ""}, "title"),
    ],
)
def test_error_summary_links_to_an_existing_control_of_every_form(
    admin: Browser, path: str, data: dict[str, str], control: str
) -> None:
    answer = admin.post(path, data)
    assert answer.status_code == 422
    assert "<title>Error: " in answer.text
    listed = summary(answer.text)
    assert control in [target for target, _ in listed]
    for target, _ in listed:
        assert f'id="{target}"' in answer.text
