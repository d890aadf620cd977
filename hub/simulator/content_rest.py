"""Twilio's Content API, and the list of its channels' senders.

Shapes: Twilio's OpenAPI documents twilio_content_v1 and twilio_messaging_v2,
https://github.com/twilio/twilio-oai
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request

from hub.simulator import resources, whatsapp
from hub.simulator.content import Template
from hub.simulator.context import bench
from hub.simulator.errors import RestError
from hub.simulator.rest import admit, mark

content = Blueprint("content", __name__)
content.before_request(admit)
content.after_request(mark)
HOST = "https://content.twilio.com"
CATEGORIES = ("UTILITY", "MARKETING", "AUTHENTICATION")


@content.get("/v1/Content")
def list_contents() -> Response:
    return jsonify(_page([shown(template) for template in bench().templates.all()]))


@content.post("/v1/Content")
def create_content() -> tuple[Response, int]:
    """Make a template of `friendly_name`, `language`, `types` and `variables`; it is submitted to
    nobody.
    """
    given = _body()
    name = given.get("friendly_name") or ""
    language = given.get("language")
    types = given.get("types")
    variables = given.get("variables") or {}
    if not isinstance(language, str) or not language:
        raise RestError(20001, "language")
    if (
        not isinstance(types, dict)
        or not types
        or not all(isinstance(one, dict) for one in types.values())
    ):
        raise RestError(20001, "types")
    if not isinstance(variables, dict) or not all(
        isinstance(value, str) for value in variables.values()
    ):
        raise RestError(20001, "variables")
    template = Template(
        friendly_name=str(name), language=language, types=types, variables=variables
    )
    bench().templates.keep(template)
    return jsonify(shown(template)), 201


@content.get("/v1/Content/<sid>")
def fetch_content(sid: str) -> Response:
    return jsonify(shown(_template(sid)))


@content.delete("/v1/Content/<sid>")
def delete_content(sid: str) -> tuple[str, int]:
    bench().templates.delete(_template(sid).sid)
    return "", 204


@content.get("/v1/ContentAndApprovals")
def list_contents_and_approvals() -> Response:
    items = [
        _dated(template) | {"approval_requests": approval(template)}
        for template in bench().templates.all()
    ]
    return jsonify(_page(items))


@content.get("/v1/Content/<sid>/ApprovalRequests")
def fetch_approval(sid: str) -> Response:
    template = _template(sid)
    url = f"{HOST}/v1/Content/{sid}/ApprovalRequests"
    return jsonify(
        sid=sid,
        account_sid=bench().account.sid,
        url=url,
        whatsapp={"type": "whatsapp", **approval(template)},
    )


@content.post("/v1/Content/<sid>/ApprovalRequests/whatsapp")
def submit(sid: str) -> tuple[Response, int]:
    """Submit a template: `name`, `category`; it waits as `received` until somebody decides on the
    simulator's page.
    """
    template = _template(sid)
    given = _body()
    name = given.get("name")
    category = given.get("category")
    if (
        not isinstance(name, str)
        or not name
        or name != name.lower()
        or not name.replace("_", "").isalnum()
    ):
        raise RestError(20001, "name")
    if category not in CATEGORIES:
        raise RestError(20001, "category")
    if template.slots - set(template.variables):
        raise RestError(20001, "variables: a sample is needed for each")
    changed = bench().templates.change(
        template,
        name=name,
        category=category,
        status="received",
        reason="",
        allow_category_change=bool(given.get("allow_category_change", True)),
    )
    return jsonify(approval(changed)), 201


@content.get("/v2/Channels/Senders")
def list_senders() -> Response:
    """List the account's WhatsApp sender; other channels have none."""
    senders = (
        [whatsapp.sender_resource(bench().account)]
        if request.args.get("Channel") == "whatsapp"
        else []
    )
    return jsonify(
        resources.meta_page("senders", senders, "https://messaging.twilio.com/v2/Channels/Senders")
    )


@content.get("/v2/Channels/Senders/<sid>")
def fetch_sender(sid: str) -> Response:
    sender = whatsapp.sender_resource(bench().account)
    if sid != sender["sid"]:
        raise RestError(20404, request.path)
    return jsonify(sender)


def shown(template: Template) -> dict[str, Any]:
    """Write the JSON of a template."""
    url = f"{HOST}/v1/Content/{template.sid}"
    links = {
        "approval_create": f"{url}/ApprovalRequests/whatsapp",
        "approval_fetch": f"{url}/ApprovalRequests",
    }
    return _dated(template) | {"url": url, "links": links}


def approval(template: Template) -> dict[str, Any]:
    """Write the JSON of what became of it at WhatsApp."""
    return {
        "name": template.name,
        "category": template.category,
        "content_type": template.kind,
        "status": template.status,
        "rejection_reason": template.reason,
        "allow_category_change": template.allow_category_change,
    }


def _dated(template: Template) -> dict[str, Any]:
    return {
        "sid": template.sid,
        "account_sid": bench().account.sid,
        "friendly_name": template.friendly_name,
        "language": template.language,
        "variables": template.variables,
        "types": template.types,
        "date_created": resources.iso8601(template.created),
        "date_updated": resources.iso8601(template.updated),
    }


def _page(items: list[dict[str, Any]]) -> dict[str, Any]:
    return resources.meta_page(
        "contents",
        items,
        HOST + request.path,
        number=resources.whole(request.args, "Page", 0),
        size=min(max(resources.whole(request.args, "PageSize", 50), 1), 1000),
    )


def _template(sid: str) -> Template:
    template = bench().templates.get(sid)
    if template is None:
        raise RestError(20404, request.path)
    return template


def _body() -> dict[str, Any]:
    given = request.get_json(silent=True)
    if not isinstance(given, dict):
        raise RestError(20001, "a JSON object is needed")
    return given
