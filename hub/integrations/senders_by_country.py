"""A setting with a table of senders for countries that do not use the default sender."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import phonenumbers
from wtforms import FieldList, Form, FormField, StringField
from wtforms.utils import unset_value
from wtforms.validators import ValidationError

SPARE = 2  # empty rows, so that entries can be added without JavaScript
COUNTRIES = phonenumbers.SUPPORTED_REGIONS


if TYPE_CHECKING:
    Rows = FieldList[Any]
else:
    Rows = FieldList


class SenderRow(Form):
    """One country and its sender."""

    country = StringField(
        "Country",
        render_kw={"mono": True, "maxlength": 2, "placeholder": "BR"},
        filters=[lambda text: (text or "").strip().upper()],
    )
    sender = StringField(
        "Sender",
        render_kw={"mono": True},
        filters=[lambda text: (text or "").strip()],
    )


@cache
def _row_form(label: str, placeholder: str) -> type[SenderRow]:
    """Return the form of a row whose sender is called by a provider's word."""
    sender = StringField(
        label,
        render_kw={"mono": True, "placeholder": placeholder},
        filters=[lambda text: (text or "").strip()],
    )
    return type("SenderRow", (SenderRow,), {"sender": sender})


class SendersByCountry(Rows):
    """Senders by country.

    Its data is a mapping such as {"BR": "+5511…"}. Empty rows are ignored. `valid` is a WTForms
    validator of senders. `sender_label` is the provider's word for one, and `placeholder` an
    example.
    """

    def __init__(
        self,
        label: str,
        valid: Any,
        *,
        sender_label: str = "Sender",
        placeholder: str = "",
        **options: Any,
    ) -> None:
        super().__init__(FormField(_row_form(sender_label, placeholder)), label, **options)
        self.valid = valid

    def process(
        self, formdata: Any, data: Any = unset_value, extra_filters: Sequence[Any] | None = None
    ) -> None:
        rows = (
            [{"country": country, "sender": sender} for country, sender in data.items()]
            if isinstance(data, Mapping)
            else []
        )
        super().process(formdata, rows, extra_filters)
        for _ in range(SPARE - sum(not any(row.data.values()) for row in self.entries)):
            self.append_entry()

    @property
    def data(self) -> dict[str, str]:  # type: ignore[override]  # the setting to store
        return {row.country.data: row.sender.data for row in self._filled_rows()}

    @staticmethod
    def posted(name: str, data: Mapping[str, str]) -> dict[str, str]:
        """Return the form fields that a browser posts for the data."""
        rows = enumerate(data.items())
        return {
            f"{name}-{number}-{cell}": text
            for number, row in rows
            for cell, text in zip(("country", "sender"), row, strict=True)
        }

    def validate(self, form: Any, extra_validators: Any = ()) -> bool:
        seen: set[str] = set()
        errors = []
        for row in self._filled_rows():
            row.country.errors = self._country_errors(row, seen)
            row.sender.errors = self._sender_errors(form, row)
            errors += [*row.country.errors, *row.sender.errors]
            seen.add(row.country.data)
        self.errors = errors
        return not errors

    def _filled_rows(self) -> Iterator[Any]:
        return (
            entry.form
            for entry in self.entries
            if entry.form.country.data or entry.form.sender.data
        )

    @staticmethod
    def _country_errors(row: Any, seen: set[str]) -> list[str]:
        if row.country.data not in COUNTRIES:
            return ["Enter a country code of two letters, such as BR."]
        return (
            [f"{row.country.data} is listed twice. Keep one."] if row.country.data in seen else []
        )

    def _sender_errors(self, form: Any, row: Any) -> list[str]:
        if not row.sender.data:
            return [f"Enter the sender for {row.country.data}, or clear the country."]
        try:
            self.valid(form, row.sender)
        except ValidationError as error:
            return [str(error)]
        return []
