"""The methods of Slack's Web API that a hub uses.

Nearly every error has HTTP status 200 and `ok` false. https://docs.slack.dev/apis/web-api/
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Response, jsonify, request

from hub.simulator.context import SimulatorContext, current_simulator
from hub.simulator.fault import find_fault
from hub.simulator.posts import Post
from hub.simulator.slack import messages, scripted_faults
from hub.simulator.slack.messages import SlackError
from hub.simulator.slack.workspace import SCOPES, Channel, Person

api = Blueprint("slack_api", __name__)
Params = Mapping[str, Any]


class ApiError(SlackError):
    """Slack refuses a call with an HTTP status of its own."""

    def __init__(self, error: str, status: int = 200) -> None:
        super().__init__(error)
        self.status = status


@api.errorhandler(SlackError)
def error_response(error: SlackError) -> Response:
    body: dict[str, Any] = {"ok": False, "error": error.error}
    if error.details:
        body |= {"errors": error.details, "response_metadata": {"messages": error.details}}
    if error.error == "missing_scope":
        body |= {"needed": REQUIRED_SCOPE.get(_method_name(), ""), "provided": ",".join(_scopes())}
    return _json_response(body, getattr(error, "status", 200))


@api.route("/api/<method>", methods=["GET", "POST"])
def call(method: str) -> Response:
    """Check the bot's token, then execute the method."""
    simulator = current_simulator()
    if method == "api.test":  # needs no token
        return _json_response(api_test(_request_body()))
    _check_token(simulator)
    if simulator.faults.use_refusal():
        raise ApiError("ratelimited", 429)
    if simulator.faults.use_failure():
        raise ApiError("internal_error", 500)
    if method not in METHODS:
        raise SlackError("unknown_method")
    if REQUIRED_SCOPE.get(method, "") not in ("", *_scopes()):
        raise SlackError("missing_scope")
    return _json_response({"ok": True, **METHODS[method](simulator, _request_body())})


def _token() -> str:
    """Return the token from the header or a form field, never from JSON or the URL."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return str(request.form.get("token", ""))


def _check_token(simulator: SimulatorContext) -> None:
    token = _token()
    if not token:
        raise SlackError("not_authed")
    fault = find_fault(scripted_faults.TOKENS, token)
    if fault and fault.error != "missing_scope":
        raise SlackError(fault.error)
    if not fault and token != simulator.slack.bot_token:
        raise SlackError("invalid_auth")


def _scopes() -> tuple[str, ...]:
    fault = find_fault(scripted_faults.TOKENS, _token())
    return ("incoming-webhook",) if fault else SCOPES


def _method_name() -> str:
    return str((request.view_args or {}).get("method", ""))


def _request_body() -> Params:
    """Read JSON, or a form whose structured fields contain JSON."""
    if request.is_json:
        body = request.get_json(silent=True) if request.get_data() else {}
        if body is None:
            raise SlackError("invalid_json")
        if not isinstance(body, dict):
            raise SlackError("json_not_object")
        return body
    params: dict[str, Any] = request.values.to_dict()
    params.pop("token", None)
    for name in ("blocks", "attachments"):
        if params.get(name):
            try:
                params[name] = json.loads(params[name])
            except ValueError:
                raise SlackError(
                    "invalid_blocks_format" if name == "blocks" else "invalid_arguments"
                ) from None
    return params


def api_test(params: Params) -> dict[str, Any]:
    """Return the given parameters. An `error` among them becomes the error of the response."""
    error = params.get("error")
    body = {"ok": False, "error": str(error)} if error else {"ok": True}
    return {**body, "args": dict(params)} if params else body


def auth_test(simulator: SimulatorContext, params: Params) -> dict[str, Any]:
    workspace = simulator.slack
    return {
        "url": f"https://{workspace.domain}.slack.com/",
        "team": workspace.team_name,
        "user": workspace.bot_name.lower(),
        "team_id": workspace.team,
        "user_id": workspace.bot_user,
        "bot_id": workspace.bot,
        "is_enterprise_install": False,
    }


def post_message(simulator: SimulatorContext, params: Params) -> dict[str, Any]:
    """Post to a channel, by ID or name, or to a person by user ID.

    `thread_ts` posts a reply to that message.
    """
    if simulator.faults.is_rate_limited():
        raise ApiError("ratelimited", 429)
    simulator.pause(simulator.faults.latency)
    draft = messages.draft(params)
    address = str(params.get("channel") or "")
    thread = str(params.get("thread_ts") or "")
    if thread and not messages.TS.fullmatch(thread):
        raise SlackError(
            "invalid_arguments", ["[ERROR] must be the ts of a message [json-pointer:/thread_ts]"]
        )
    fault = find_fault(scripted_faults.CHANNELS, address)
    if fault and fault.should_refuse(
        lambda: simulator.store.is_first_attempt(address, json.dumps(params))
    ):
        raise ApiError(fault.error, fault.status)
    channel = (
        Channel(address, address.lower())
        if find_fault(scripted_faults.CHANNELS, address)
        else simulator.slack.find(address)
    )
    if channel is None:
        raise SlackError("channel_not_found")
    post = simulator.slack_messages.add(channel, draft, author="bot", thread=thread)
    if fault and fault.breaks:
        raise ApiError("internal_error", fault.status)
    simulator.pause(fault.hangs if fault else 0)
    return _posted_message(simulator, post)


def update(simulator: SimulatorContext, params: Params) -> dict[str, Any]:
    """Edit a message of the bot. `channel` must be a channel ID, not a user ID."""
    draft = messages.draft(params)
    address = str(params.get("channel") or "")
    fault = find_fault(scripted_faults.CHANNELS, address)
    if fault and not fault.accepts:
        raise ApiError(fault.error, fault.status)
    if not fault and (address[:1] not in ("C", "D") or simulator.slack.find(address) is None):
        raise SlackError("channel_not_found")
    post = simulator.slack_messages.get(address, str(params.get("ts") or ""))
    if post is None:
        raise SlackError("message_not_found")
    if post.body["by"] != "bot":
        raise SlackError("cant_update_message")
    return {
        **_posted_message(simulator, simulator.slack_messages.replace(post, draft)),
        "text": draft.text,
    }


def lookup_by_email(simulator: SimulatorContext, params: Params) -> dict[str, Any]:
    """Return the member with an email address. Every address belongs to a member, except scripted
    ones.
    """
    email = str(params.get("email") or "").strip().lower()
    fault = find_fault(scripted_faults.PEOPLE, email)
    if fault and fault.should_refuse(lambda: simulator.store.is_first_attempt(email, "")):
        raise ApiError(fault.error, fault.status)
    name, at, domain = email.partition("@")
    if not (name and at and "." in domain):
        raise SlackError("users_not_found")
    person = simulator.slack.with_email(email)
    return {"user": _user(simulator, person, email=True)}


def user_info(simulator: SimulatorContext, params: Params) -> dict[str, Any]:
    """Return the member with the ID `user`. Email addresses require their own scope."""
    person = simulator.slack.with_id(str(params.get("user") or ""))
    if person is None:
        raise SlackError("user_not_found")
    return {"user": _user(simulator, person, email="users:read.email" in _scopes())}


def _user(simulator: SimulatorContext, person: Person, *, email: bool) -> dict[str, Any]:
    profile = {"real_name": person["name"], "display_name": person["name"]}
    if email:
        profile["email"] = person["email"]
    return {
        "id": person["id"],
        "team_id": simulator.slack.team,
        "name": person["username"],
        "deleted": False,
        "real_name": person["name"],
        "is_bot": False,
        "is_app_user": False,
        "profile": profile,
    }


def conversation_info(simulator: SimulatorContext, params: Params) -> dict[str, Any]:
    """Return the channel with an ID. A name is not accepted."""
    address = str(params.get("channel") or "")
    fault = find_fault(scripted_faults.CHANNELS, address)
    if fault and not fault.accepts:
        raise ApiError(fault.error, fault.status)
    channel = Channel(address, address.lower()) if fault else simulator.slack.find(address)
    if channel is None or address[:1] not in ("C", "D"):
        raise SlackError("channel_not_found")
    if channel.direct:
        return {
            "channel": {
                "id": channel.id,
                "is_im": True,
                "user": "U" + channel.id[1:],
                "is_archived": False,
            }
        }
    return {
        "channel": {
            "id": channel.id,
            "name": channel.name,
            "name_normalized": channel.name,
            "is_channel": True,
            "is_group": False,
            "is_im": False,
            "is_mpim": False,
            "is_private": False,
            "is_archived": False,
            "is_general": False,
            "is_member": True,
            "context_team_id": simulator.slack.team,
        }
    }


def open_conversation(simulator: SimulatorContext, params: Params) -> dict[str, Any]:
    """Open the direct messages with the person in `users`, one user ID."""
    channel = simulator.slack.find(str(params.get("users") or ""))
    if channel is None or not channel.direct:
        raise SlackError("user_not_found")
    return {"channel": {"id": channel.id}}


def _posted_message(simulator: SimulatorContext, post: Post) -> dict[str, Any]:
    return {
        "channel": post.destination,
        "ts": post.name,
        "message": simulator.slack_messages.message_json(post),
    }


def _json_response(body: dict[str, Any], status: int = 200) -> Response:
    response = jsonify(body)
    response.status_code = status
    if body.get("error") not in ("not_authed", "invalid_auth"):
        response.headers["x-oauth-scopes"] = ",".join(_scopes())
    if status == 429:
        response.headers["Retry-After"] = "1"
    return response


METHODS: dict[str, Callable[[SimulatorContext, Params], dict[str, Any]]] = {
    "auth.test": auth_test,
    "chat.postMessage": post_message,
    "chat.update": update,
    "users.lookupByEmail": lookup_by_email,
    "users.info": user_info,
    "conversations.info": conversation_info,
    "conversations.open": open_conversation,
}
REQUIRED_SCOPE = {
    "chat.postMessage": "chat:write",
    "chat.update": "chat:write",
    "users.lookupByEmail": "users:read.email",
    "users.info": "users:read",
    "conversations.info": "channels:read",
    "conversations.open": "im:write",
}
