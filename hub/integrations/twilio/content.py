"""Content templates: what a Twilio account keeps in its Content Template Builder, and whether
WhatsApp approved it.

https://www.twilio.com/docs/content/content-api-resources
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twilio.rest import Client

from hub.integrations.api import TemplateInfo

MOST = 1000


def templates(client: Client) -> list[TemplateInfo]:
    """List an account's templates with their approval, in one call for each page."""
    return [
        _read(one)
        for one in client.content.v1.content_and_approvals.list(limit=MOST, page_size=100)
    ]


def _read(one: Any) -> TemplateInfo:
    forms: Mapping[str, Mapping[str, Any]] = one.types or {}
    kind = next(iter(forms), "")
    form = forms.get(kind, {})
    approval: Mapping[str, Any] = one.approval_requests or {}
    return TemplateInfo(
        id=one.sid,
        name=one.friendly_name or one.sid,
        locale=one.language or "",
        kind=kind,
        state=str(approval.get("status") or "unsubmitted").lower(),
        category=str(approval.get("category") or "").lower(),
        reason=str(approval.get("rejection_reason") or ""),
        text=str(form.get("body") or form.get("title") or ""),
        variables={str(name): str(sample) for name, sample in (one.variables or {}).items()},
    )
