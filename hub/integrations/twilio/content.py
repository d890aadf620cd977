"""Read the templates of an account's Content Template Builder, with their approval by WhatsApp.

https://www.twilio.com/docs/content/content-api-resources
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twilio.rest import Client

from hub.integrations.api import TemplateInfo

MAX_TEMPLATES = 1000


def fetch_templates(client: Client) -> list[TemplateInfo]:
    """Return an account's templates with their approval, in one call per page."""
    contents = client.content.v1.content_and_approvals.list(limit=MAX_TEMPLATES, page_size=100)
    return [_read_template(content) for content in contents]


def _read_template(content: Any) -> TemplateInfo:
    forms: Mapping[str, Mapping[str, Any]] = content.types or {}
    kind = next(iter(forms), "")
    form = forms.get(kind, {})
    approval: Mapping[str, Any] = content.approval_requests or {}
    return TemplateInfo(
        id=content.sid,
        name=content.friendly_name or content.sid,
        locale=content.language or "",
        kind=kind,
        state=str(approval.get("status") or "unsubmitted").lower(),
        category=str(approval.get("category") or "").lower(),
        reason=str(approval.get("rejection_reason") or ""),
        text=str(form.get("body") or form.get("title") or ""),
        variables={str(name): str(sample) for name, sample in (content.variables or {}).items()},
    )
