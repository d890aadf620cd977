"""Routes of Twilio's Content API, and the list of senders.

Shapes: Twilio's OpenAPI documents twilio_content_v1 and twilio_messaging_v2,
https://github.com/twilio/twilio-oai
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request

from hub.simulator import resources, whatsapp
from hub.simulator.content_templates import Template
from hub.simulator.context import current_simulator
from hub.simulator.errors import RestError
from hub.simulator.rest import add_request_id, check_access

content = Blueprint("content", __name__)
content.before_request(check_access)
content.after_request(add_request_id)
HOST = "https://content.twilio.com"
CATEGORIES = ("UTILITY", "MARKETING", "AUTHENTICATION")


@content.get("/v1/Content")
def list_contents() -> Response:
    return jsonify(
        _page_response(
            [template_json(template) for template in current_simulator().templates.all()]
        )
    )


@content.post("/v1/Content")
def create_content() -> tuple[Response, int]:
    """Create a template from `friendly_name`, `language`, `types` and `variables`.

    It is not submitted for approval.
    """
    body = _json_body()
    name = body.get("friendly_name") or ""
    language = body.get("language")
    types = body.get("types")
    variables = body.get("variables") or {}
    if not isinstance(language, str) or not language:
        raise RestError(20001, "language")
    if (
        not isinstance(types, dict)
        or not types
        or not all(isinstance(content_type, dict) for content_type in types.values())
    ):
        raise RestError(20001, "types")
    if not isinstance(variables, dict) or not all(
        isinstance(value, str) for value in variables.values()
    ):
        raise RestError(20001, "variables")
    template = Template(
        friendly_name=str(name), language=language, types=types, variables=variables
    )
    current_simulator().templates.save(template)
    return jsonify(template_json(template)), 201


@content.get("/v1/Content/<sid>")
def fetch_content(sid: str) -> Response:
    return jsonify(template_json(_template(sid)))


@content.delete("/v1/Content/<sid>")
def delete_content(sid: str) -> tuple[str, int]:
    current_simulator().templates.delete(_template(sid).sid)
    return "", 204


@content.get("/v1/ContentAndApprovals")
def list_contents_and_approvals() -> Response:
    items = [
        _template_fields(template) | {"approval_requests": approval_json(template)}
        for template in current_simulator().templates.all()
    ]
    return jsonify(_page_response(items))


@content.get("/v1/Content/<sid>/ApprovalRequests")
def fetch_approval(sid: str) -> Response:
    template = _template(sid)
    url = f"{HOST}/v1/Content/{sid}/ApprovalRequests"
    return jsonify(
        sid=sid,
        account_sid=current_simulator().account.sid,
        url=url,
        whatsapp={"type": "whatsapp", **approval_json(template)},
    )


@content.post("/v1/Content/<sid>/ApprovalRequests/whatsapp")
def submit_for_approval(sid: str) -> tuple[Response, int]:
    """Submit a template with a `name` and a `category`.

    It stays `received` until someone decides on the simulator's page.
    """
    template = _template(sid)
    body = _json_body()
    name = body.get("name")
    category = body.get("category")
    if (
        not isinstance(name, str)
        or not name
        or name != name.lower()
        or not name.replace("_", "").isalnum()
    ):
        raise RestError(20001, "name")
    if category not in CATEGORIES:
        raise RestError(20001, "category")
    if template.placeholders - set(template.variables):
        raise RestError(20001, "variables: a sample is needed for each")
    changed = current_simulator().templates.change(
        template,
        name=name,
        category=category,
        status="received",
        reason="",
        allow_category_change=bool(body.get("allow_category_change", True)),
    )
    return jsonify(approval_json(changed)), 201


@content.get("/v2/Channels/Senders")
def list_senders() -> Response:
    """List the account's WhatsApp sender; other channels have none."""
    senders = (
        [whatsapp.sender_resource(current_simulator().account)]
        if request.args.get("Channel") == "whatsapp"
        else []
    )
    return jsonify(
        resources.meta_page("senders", senders, "https://messaging.twilio.com/v2/Channels/Senders")
    )


@content.get("/v2/Channels/Senders/<sid>")
def fetch_sender(sid: str) -> Response:
    sender = whatsapp.sender_resource(current_simulator().account)
    if sid != sender["sid"]:
        raise RestError(20404, request.path)
    return jsonify(sender)


def template_json(template: Template) -> dict[str, Any]:
    """Return the JSON of a template."""
    url = f"{HOST}/v1/Content/{template.sid}"
    links = {
        "approval_create": f"{url}/ApprovalRequests/whatsapp",
        "approval_fetch": f"{url}/ApprovalRequests",
    }
    return _template_fields(template) | {"url": url, "links": links}


def approval_json(template: Template) -> dict[str, Any]:
    """Return the JSON of a template's approval by WhatsApp."""
    return {
        "name": template.name,
        "category": template.category,
        "content_type": template.kind,
        "status": template.status,
        "rejection_reason": template.reason,
        "allow_category_change": template.allow_category_change,
    }


def _template_fields(template: Template) -> dict[str, Any]:
    return {
        "sid": template.sid,
        "account_sid": current_simulator().account.sid,
        "friendly_name": template.friendly_name,
        "language": template.language,
        "variables": template.variables,
        "types": template.types,
        "date_created": resources.iso8601(template.created),
        "date_updated": resources.iso8601(template.updated),
    }


def _page_response(items: list[dict[str, Any]]) -> dict[str, Any]:
    return resources.meta_page(
        "contents",
        items,
        HOST + request.path,
        number=resources.int_param(request.args, "Page", 0),
        size=min(max(resources.int_param(request.args, "PageSize", 50), 1), 1000),
    )


def _template(sid: str) -> Template:
    template = current_simulator().templates.get(sid)
    if template is None:
        raise RestError(20404, request.path)
    return template


def _json_body() -> dict[str, Any]:
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise RestError(20001, "a JSON object is needed")
    return body
