"""Define the fields that several schemas of the API share."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StringConstraints

UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"

Address = Annotated[
    str,
    StringConstraints(min_length=3, max_length=320),
    # a phone number or an email address; libraries check it, because a pattern cannot
    Field(json_schema_extra={"format": "phone-or-email"}),
]


def cursor(prefix: str) -> Any:
    """Return the field `after` of a list whose rows have IDs such as `msg_…`."""
    return Field(
        default=None,
        description="The `next` value of the previous page.",
        json_schema_extra={"pattern": f"^({prefix}_{UUID})?$"},
    )
