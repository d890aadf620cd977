"""Define the form of a source's automatic reminders, and store its values."""

from __future__ import annotations

import re
from typing import Any

from wtforms import BooleanField, Form, IntegerField, SelectField, StringField
from wtforms.validators import InputRequired, NumberRange, ValidationError

from hub.admin.view import datetimes
from hub.core.vocabulary import RemindedBy
from hub.models import Source
from hub.signing import reminder_settings
from hub.signing.reminder_schedule import MAX_DAYS, MAX_REMINDERS, MAX_TIMES, Schedule

DAYS: dict[str, Any] = {"mono": True, "autocomplete": "off", "half": True}


SENDERS = {
    RemindedBy.HUB.value: "Signpost",
    RemindedBy.APP.value: "The app, with its own events",
}


class SenderFields(Form):
    """The choices of the sender of reminders, above the schedule of a source."""

    reminded_by = SelectField(
        "Reminders are sent by",
        choices=SENDERS,
        description=(
            "When the app posts `request.reminder`, Signpost leaves reminders to it. After you"
            " switch back to Signpost, open requests count from that moment."
        ),
    )
    test_reminded_by = SelectField(
        "Reminders of test requests are sent by",
        choices=SENDERS,
        description="A `request.reminder` that a test key posts changes only this setting.",
    )


class ScheduleFields(Form):
    """The schedule of automatic reminders."""

    days = StringField("Days after the invitation", render_kw={**DAYS, "placeholder": "3, 7, 14"})
    days_before_expiry = StringField(
        "Days before expiry",
        render_kw={**DAYS, "placeholder": "1", "shared_help": True},
        description=(
            "Enter days separated by commas, such as 3, 7, 14. Reminders are sent at the time of"
            " day of the invitation, but never between 21:00 and 8:00 of the signer’s local time."
        ),
    )
    most = IntegerField(
        "Maximum reminders per signer",
        [
            InputRequired(f"Enter a number from 1 to {MAX_REMINDERS}."),
            NumberRange(1, MAX_REMINDERS, f"Enter a number from 1 to {MAX_REMINDERS}."),
        ],
        render_kw={"inputmode": "numeric"},
        description="Reminders that people and the app send count too.",
    )
    working_days = BooleanField(
        "Remind on working days only",
        description=(
            "Monday to Friday, or Sunday to Thursday in countries where these are the working days."
            " The phone number decides the country. Public holidays count as working days."
        ),
    )

    def validate_days(self, field: StringField) -> None:
        parse_days(field.data or "")

    def validate_days_before_expiry(self, field: StringField) -> None:
        parse_days(field.data or "")

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the schedule, if the form is valid."""
        return {
            "days": parse_days(self.days.data or ""),
            "days_before_expiry": parse_days(self.days_before_expiry.data or ""),
            "most": self.most.data,
            "working_days": bool(self.working_days.data),
        }


class RemindersForm(SenderFields, ScheduleFields):
    """The automatic reminders of a source."""

    time_zone = SelectField(
        "Default time zone",
        choices=lambda: {
            "": "UTC",
            **{name: name for name in datetimes.zone_names() if name != "UTC"},
        },
        description=("The time zone of signers without a phone number, if your app sends none."),
    )


def parse_days(text: str) -> list[int]:
    """Parse days separated by commas or spaces. Raises ValidationError."""
    words = [word for word in re.split(r"[\s,;]+", text) if word]
    if not all(word.isascii() and word.isdecimal() and len(word) <= 4 for word in words):
        raise ValidationError("Enter whole numbers separated by commas, such as 3, 7, 14.")
    days = sorted({int(word) for word in words})
    if days and not 1 <= days[0] <= days[-1] <= MAX_DAYS:
        raise ValidationError(f"Enter days from 1 to {MAX_DAYS}.")
    if len(days) < len(words):
        raise ValidationError("Enter each day once.")
    if len(days) > MAX_TIMES:
        raise ValidationError(f"Enter at most {MAX_TIMES} days.")
    return days


def reminders_form(source: Source) -> RemindersForm:
    """Return the form with the settings in force."""
    schedule = reminder_settings.read_source_reminders(source.id, test=False).schedule(None)
    return RemindersForm(
        data={
            **schedule_values(schedule),
            "reminded_by": source.reminded_by,
            "test_reminded_by": source.test_reminded_by,
            "time_zone": source.time_zone,
        }
    )


def schedule_values(schedule: Schedule) -> dict[str, Any]:
    """Return the values of the fields of a schedule."""
    return {
        "days": ", ".join(map(str, schedule.days)),
        "days_before_expiry": ", ".join(map(str, schedule.days_before_expiry)),
        "most": schedule.most,
        "working_days": schedule.working_days,
    }


def save_reminders(source_id: str, form: RemindersForm) -> None:
    """Store the values of a valid form."""
    reminder_settings.save_source(
        source_id,
        reminded_by=RemindedBy(form.reminded_by.data),
        test_reminded_by=RemindedBy(form.test_reminded_by.data),
        settings=form.settings,
        time_zone=form.time_zone.data or "",
    )
