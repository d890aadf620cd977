"""Check that a number of a Twilio account can make calls."""

from __future__ import annotations

from typing import Any

from hub.integrations.api import CheckResult

NUMBERS = "In the Twilio Console, open **Phone Numbers**, **Active numbers**."


def find_number(client: Any, number: str) -> Any | None:
    """Return a number of the account, or None if it is not one."""
    owned = client.incoming_phone_numbers.list(phone_number=number, limit=20)
    # Twilio also returns numbers that contain this one
    return next((entry for entry in owned if entry.phone_number == number), None)


def check_number(number: str, found: Any | None) -> CheckResult:
    """Return whether calls can be made from a number of the account."""
    if found is None:
        return CheckResult(
            False,
            f"{number} is not a number of this Twilio account.",
            "Twilio would reject every call from it (21210).",
            (
                NUMBERS,
                "Copy a number with the **Voice** capability into the field below, or buy one."
                " Then test again.",
            ),
            field="sender",
            code="21210",
        )
    capabilities = {key.lower(): value for key, value in dict(found.capabilities or {}).items()}
    if not capabilities.get("voice"):
        return CheckResult(
            False,
            f"{number} cannot make calls.",
            "The number belongs to the account but has no Voice capability.",
            (NUMBERS, "Choose a number with the **Voice** capability. Then test again."),
            field="sender",
        )
    return CheckResult(True, "", f"{number} can make calls.")
