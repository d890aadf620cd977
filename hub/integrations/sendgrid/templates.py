"""Read the dynamic templates of an account, each with the variables of its active version.

https://www.twilio.com/docs/sendgrid/api-reference/transactional-templates/retrieve-paged-transactional-templates
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from hub.integrations.api import (
    ConnectionBroken,
    ProviderResponse,
    TemplateInfo,
    json_object,
    json_objects,
)
from hub.integrations.sendgrid.errors import ERRORS

LIST = "/v3/templates?generations=dynamic&page_size=200"
MAX_TEMPLATES = 200
ACTIVE = "approved"  # a template without an active version cannot be sent
DRAFT = "draft"
NO_ACCESS = ("access_forbidden", "http_403")
# {{name}} and {{{name}}}, but no helper such as {{#if name}} or {{else}}
_VARIABLE = re.compile(r"\{\{\{?\s*([A-Za-z_]\w*)\s*\}\}")
_WORDS = {"else", "this"}
Request = Callable[[str, str], ProviderResponse]


def fetch_templates(request: Request) -> list[TemplateInfo]:
    """Return the templates, in one call for the list and one for each active version."""
    try:
        listed = request("GET", LIST).json
        templates = json_objects(listed.get("result")) or json_objects(listed.get("templates"))
        return [_template(request, template) for template in templates[:MAX_TEMPLATES]]
    except ConnectionBroken as error:
        if error.code in NO_ACCESS:  # sending needs no permission to read templates
            raise ERRORS.error("no_template_access") from None
        raise


def _template(request: Request, template: Mapping[str, Any]) -> TemplateInfo:
    template_id = str(template.get("id") or "")
    name = str(template.get("name") or template_id)
    versions = json_objects(template.get("versions"))
    active = next((version for version in versions if version.get("active")), None)
    if active is None:
        return TemplateInfo(id=template_id, name=name, locale="", state=DRAFT)
    version = request("GET", f"/v3/templates/{template_id}/versions/{active.get('id')}").json
    texts = [str(version.get(part) or "") for part in ("subject", "plain_content", "html_content")]
    samples = json_object(str(version.get("test_data") or ""))
    names = dict.fromkeys(match[1] for text in texts for match in _VARIABLE.finditer(text))
    return TemplateInfo(
        id=template_id,
        name=name,
        locale="",
        state=ACTIVE,
        kind="email",
        text="\n\n".join(filter(None, texts[:2])),
        variables={name: str(samples.get(name, "")) for name in names if name not in _WORDS},
    )
