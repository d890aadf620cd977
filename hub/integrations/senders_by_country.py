"""A table of settings: what sends to which country, where that is not what sends to all others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import phonenumbers
from wtforms import FieldList, Form, FormField, StringField
from wtforms.utils import unset_value
from wtforms.validators import ValidationError

SPARE = 2  # empty rows, to add to the table without any script
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
        "Messaging Service",
        render_kw={"mono": True, "placeholder": "MG…"},
        filters=[lambda text: (text or "").strip()],
    )


class SendersByCountry(Rows):
    """Senders by country.

    Its data: {"BR": "MG…"}; rows left empty fall out. `valid` is what a sender has to look like.
    """

    def __init__(self, label: str, valid: Any, **options: Any) -> None:
        super().__init__(FormField(SenderRow), label, **options)
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
    def data(self) -> dict[str, str]:  # type: ignore[override]  # the setting as it is stored
        return {row.country.data: row.sender.data for row in self._filled()}

    @staticmethod
    def posted(name: str, data: Mapping[str, str]) -> dict[str, str]:
        """Return the data as a browser posts it."""
        rows = enumerate(data.items())
        return {
            f"{name}-{n}-{cell}": text
            for n, row in rows
            for cell, text in zip(("country", "sender"), row, strict=True)
        }

    def validate(self, form: Any, extra_validators: Any = ()) -> bool:
        seen: set[str] = set()
        found = []
        for row in self._filled():
            row.country.errors = self._country_errors(row, seen)
            row.sender.errors = self._sender_errors(form, row)
            found += [*row.country.errors, *row.sender.errors]
            seen.add(row.country.data)
        self.errors = found
        return not found

    def _filled(self) -> Iterator[Any]:
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
        except ValidationError as problem:
            return [str(problem)]
        return []
