"""The dynamic templates of the simulated account.

https://www.twilio.com/docs/sendgrid/for-developers/sending-email/using-handlebars
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import escape


@dataclass(frozen=True)
class DynamicTemplate:
    """A template with one active version."""

    name: str
    subject: str
    plain: str
    logo: str = ""  # the HTML of an image

    @property
    def id(self) -> str:
        return "d-" + hashlib.sha256(self.name.encode()).hexdigest()[:32]

    @property
    def version_id(self) -> str:
        return self.id[2:10]

    @property
    def html(self) -> str:
        return (
            f"<html><body>{self.logo}<p>"
            + self.plain.replace("\n\n", "</p><p>")
            + "</p></body></html>"
        )

    def listed(self) -> dict[str, Any]:
        """Return the template as the list shows it, without its texts."""
        version = {"id": self.version_id, "template_id": self.id, "active": 1, "name": "First"}
        return {"id": self.id, "name": self.name, "generation": "dynamic", "versions": [version]}

    def version(self) -> dict[str, Any]:
        """Return the active version with its texts."""
        return {
            **self.listed()["versions"][0],
            "subject": self.subject,
            "plain_content": self.plain,
            "html_content": self.html,
            "test_data": '{"signer": "Eric", "title": "Employment Agreement"}',
        }

    def fill(self, data: Mapping[str, Any]) -> tuple[str, str, str]:
        """Return the subject, the plain text and the HTML with these values."""
        escaped = {name: str(escape(value)) for name, value in data.items()}
        return _fill(self.subject, data), _fill(self.plain, data), _fill(self.html, escaped)


def _fill(text: str, data: Mapping[str, Any]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda match: str(data.get(match[1], "")), text)


TEMPLATES = (
    DynamicTemplate(
        "request_sent English",
        "{{sender}} asks you to sign {{title}}",
        "Hello {{signer}},\n\n{{sender}} asks you to sign {{title}}:\n\n{{link}}",
    ),
    DynamicTemplate(
        "request_sent German",
        "{{sender}} bittet um Ihre Unterschrift",
        "Guten Tag {{signer}},\n\nbitte unterschreiben Sie {{title}}:\n\n{{link}}",
    ),
    DynamicTemplate(
        "request_reminder branded",
        "{{title}} is waiting for your signature",
        "{{brand_name}}\n\nPlease sign {{title}}:\n\n{{link}}\n\n"
        "{{brand_footer}}\n\nUnsubscribe: {{unsubscribe_link}}",
        logo='<img src="{{brand_logo}}" alt="{{brand_name}}">',
    ),
)


def find_template(template_id: str) -> DynamicTemplate | None:
    """Return a template, or None."""
    return next((template for template in TEMPLATES if template.id == template_id), None)
