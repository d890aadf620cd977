"""Add a setting for the number of messages per second that a sender may send."""

from __future__ import annotations

import math
from typing import Any, TypeVar

from wtforms import FloatField, Form
from wtforms.validators import Optional, ValidationError

F = TypeVar("F", bound=Form)

NAME = "per_second"
MIN_RATE = 0.01
MAX_RATE = 10_000


class RateField(FloatField):
    """A number of messages per second, or nothing."""

    def process_formdata(self, valuelist: list[str]) -> None:
        self.data = None
        if valuelist and valuelist[0].strip():
            try:
                self.data = float(valuelist[0].strip().replace(",", "."))
            except ValueError:
                raise ValueError("Enter a number, such as 1 or 0.5, or leave it empty.") from None

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return f"{self.data:.10g}" if isinstance(self.data, int | float) else ""


def with_rate_setting(form: type[F], per_second: float, hint: str) -> type[F]:
    """Return a form that also has a field for the rate, unless it has one."""
    if hasattr(form, NAME):
        return form
    default = (
        f"for {per_second:g} per second"
        if per_second
        else "to send as fast as the provider accepts messages"
    )
    field = RateField(
        "Messages per second",
        [Optional(), _in_range],
        description=f"{hint} Leave empty {default}.".strip(),
        render_kw={"inputmode": "decimal", "autocomplete": "off"},
    )
    return type(form.__name__, (form,), {NAME: field, "__doc__": form.__doc__})


def _in_range(form: Any, field: Any) -> None:
    if field.data is not None and not (
        math.isfinite(field.data) and MIN_RATE <= field.data <= MAX_RATE
    ):
        raise ValidationError(
            f"Enter a number from {MIN_RATE:g} to {MAX_RATE:,}, or leave it empty."
        )
