"""Details of the activity are in the words of the pages."""

from __future__ import annotations

from typing import Any

import pytest

from hub.admin.overview.activity_details import describe_details


@pytest.mark.parametrize(
    ("details", "shown"),
    [
        (
            {"test": True, "scopes": "*", "expires": "never", "per_minute": "default"},
            "Test data · All scopes · Never expires · Default rate limit",
        ),
        ({"integration": "twilio_sms", "test": False}, "Integration: Twilio SMS · Live data"),
        ({"ok": False, "code": "20003"}, "Failed · Code: 20003"),
        ({"said": "no", "channel": "sms"}, "Consent refused · Channel: SMS"),
        ({"rules": "per_hour, per_day"}, "Changed: Limits per recipient"),
        (
            {"template": "request_sent", "locale": "pt-br"},
            "Template: Document sent · Language: pt-BR",
        ),
        ({"before": "Viewer", "role": "Admin", "why": ""}, "Before: Viewer · Role: Admin"),
        ({"opt_outs_for_every_source": True}, "Opt outs for every source: yes"),
    ],
)
def test_detail_is_shown_in_the_words_of_the_pages(details: dict[str, Any], shown: str) -> None:
    assert describe_details(details) == shown


def test_changed_settings_have_the_labels_of_their_form() -> None:
    details = {"fields": ["account_sid", "auth_token", "removed_setting"]}
    shown = "Changed: Account SID, Auth Token, removed_setting"
    assert describe_details(details, "twilio_sms") == shown
    assert describe_details(details, "gone") == f"Changed: {', '.join(details['fields'])}"
