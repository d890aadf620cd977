"""Slack's Web API as far as a hub needs it: who am I, post, edit, find a person, open direct
messages.

https://docs.slack.dev/apis/web-api/ - HTTP 200 and `ok` false for nearly all that is wrong.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Response, jsonify, request

from hub.simulator.context import Bench, bench
from hub.simulator.fault import find
from hub.simulator.posts import Post
from hub.simulator.slack import messages, scripted_faults
from hub.simulator.slack.messages import SlackError
from hub.simulator.slack.workspace import SCOPES, Channel, Person

api = Blueprint("slack_api", __name__)
Given = Mapping[str, Any]


class Refused(SlackError):
    """Slack refuses, with an HTTP status of its own."""

    def __init__(self, error: str, status: int = 200) -> None:
        super().__init__(error)
        self.status = status


@api.errorhandler(SlackError)
def refuse(problem: SlackError) -> Response:
    body: dict[str, Any] = {"ok": False, "error": problem.error}
    if problem.details:
        body |= {"errors": problem.details, "response_metadata": {"messages": problem.details}}
    if problem.error == "missing_scope":
        body |= {"needed": NEEDED.get(_method(), ""), "provided": ",".join(_scopes())}
    return _answer(body, getattr(problem, "status", 200))


@api.route("/api/<method>", methods=["GET", "POST"])
def call(method: str) -> Response:
    """Let in who has the bot's token, then do what the method says."""
    here = bench()
    if method == "api.test":  # needs no token
        return _answer(api_test(_given()))
    _sign_in(here)
    if here.faults.refuses():
        raise Refused("ratelimited", 429)
    if here.faults.fails():
        raise Refused("internal_error", 500)
    if method not in METHODS:
        raise SlackError("unknown_method")
    if NEEDED.get(method, "") not in ("", *_scopes()):
        raise SlackError("missing_scope")
    return _answer({"ok": True, **METHODS[method](here, _given())})


def _token() -> str:
    """Return the token: from the header, else a field of a form, never of JSON or the address."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return str(request.form.get("token", ""))


def _sign_in(here: Bench) -> None:
    token = _token()
    if not token:
        raise SlackError("not_authed")
    fault = find(scripted_faults.TOKENS, token)
    if fault and fault.error != "missing_scope":
        raise SlackError(fault.error)
    if not fault and token != here.slack.bot_token:
        raise SlackError("invalid_auth")


def _scopes() -> tuple[str, ...]:
    lacking = find(scripted_faults.TOKENS, _token())
    return ("incoming-webhook",) if lacking else SCOPES


def _method() -> str:
    return str((request.view_args or {}).get("method", ""))


def _given() -> Given:
    """Read JSON, or a form in which what has parts is JSON again."""
    if request.is_json:
        body = request.get_json(silent=True) if request.get_data() else {}
        if body is None:
            raise SlackError("invalid_json")
        if not isinstance(body, dict):
            raise SlackError("json_not_object")
        return body
    given: dict[str, Any] = request.values.to_dict()
    given.pop("token", None)
    for name in ("blocks", "attachments"):
        if given.get(name):
            try:
                given[name] = json.loads(given[name])
            except ValueError:
                raise SlackError(
                    "invalid_blocks_format" if name == "blocks" else "invalid_arguments"
                ) from None
    return given


def api_test(given: Given) -> dict[str, Any]:
    """Answer with what was given; an `error` is answered as one."""
    problem = given.get("error")
    found = {"ok": False, "error": str(problem)} if problem else {"ok": True}
    return {**found, "args": dict(given)} if given else found


def auth_test(here: Bench, given: Given) -> dict[str, Any]:
    ours = here.slack
    return {
        "url": f"https://{ours.domain}.slack.com/",
        "team": ours.team_name,
        "user": ours.bot_name.lower(),
        "team_id": ours.team,
        "user_id": ours.bot_user,
        "bot_id": ours.bot,
        "is_enterprise_install": False,
    }


def post_message(here: Bench, given: Given) -> dict[str, Any]:
    """Post to a channel, given as id or name, or to the person of a user id; `thread_ts` of a
    message answers that.
    """
    if here.faults.hurried():
        raise Refused("ratelimited", 429)
    here.pause(here.faults.latency)
    said = messages.draft(given)
    address = str(given.get("channel") or "")
    thread = str(given.get("thread_ts") or "")
    if thread and not messages.TS.fullmatch(thread):
        raise SlackError(
            "invalid_arguments", ["[ERROR] must be the ts of a message [json-pointer:/thread_ts]"]
        )
    fault = find(scripted_faults.CHANNELS, address)
    if fault and fault.refuses(lambda: here.store.stumbles(address, json.dumps(given))):
        raise Refused(fault.error, fault.status)
    channel = (
        Channel(address, address.lower())
        if find(scripted_faults.CHANNELS, address)
        else here.slack.find(address)
    )
    if channel is None:
        raise SlackError("channel_not_found")
    post = here.slack_messages.add(channel, said, by="bot", thread=thread)
    if fault and fault.breaks:
        raise Refused("internal_error", fault.status)
    here.pause(fault.hangs if fault else 0)
    return _posted(here, post)


def update(here: Bench, given: Given) -> dict[str, Any]:
    """Edit a message of the bot: `channel` is its id, a person's is not enough."""
    said = messages.draft(given)
    address = str(given.get("channel") or "")
    fault = find(scripted_faults.CHANNELS, address)
    if fault and not fault.takes:
        raise Refused(fault.error, fault.status)
    if not fault and (address[:1] not in ("C", "D") or here.slack.find(address) is None):
        raise SlackError("channel_not_found")
    post = here.slack_messages.get(address, str(given.get("ts") or ""))
    if post is None:
        raise SlackError("message_not_found")
    if post.body["by"] != "bot":
        raise SlackError("cant_update_message")
    return {**_posted(here, here.slack_messages.replace(post, said)), "text": said.text}


def lookup_by_email(here: Bench, given: Given) -> dict[str, Any]:
    """Find the member of an e-mail address; every address is a member's, but for those that are not
    on purpose.
    """
    email = str(given.get("email") or "").strip().lower()
    fault = find(scripted_faults.PEOPLE, email)
    if fault and fault.refuses(lambda: here.store.stumbles(email, "")):
        raise Refused(fault.error, fault.status)
    name, at, domain = email.partition("@")
    if not (name and at and "." in domain):
        raise SlackError("users_not_found")
    person = here.slack.with_email(email)
    return {"user": _user(here, person, email=True)}


def user_info(here: Bench, given: Given) -> dict[str, Any]:
    """Return the member of `user`, an id; e-mail addresses need a scope of their own."""
    person = here.slack.with_id(str(given.get("user") or ""))
    if person is None:
        raise SlackError("user_not_found")
    return {"user": _user(here, person, email="users:read.email" in _scopes())}


def _user(here: Bench, person: Person, *, email: bool) -> dict[str, Any]:
    profile = {"real_name": person["name"], "display_name": person["name"]}
    if email:
        profile["email"] = person["email"]
    return {
        "id": person["id"],
        "team_id": here.slack.team,
        "name": person["username"],
        "deleted": False,
        "real_name": person["name"],
        "is_bot": False,
        "is_app_user": False,
        "profile": profile,
    }


def conversation_info(here: Bench, given: Given) -> dict[str, Any]:
    """Return the channel of an id; a name is not enough."""
    address = str(given.get("channel") or "")
    fault = find(scripted_faults.CHANNELS, address)
    if fault and not fault.takes:
        raise Refused(fault.error, fault.status)
    channel = Channel(address, address.lower()) if fault else here.slack.find(address)
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
            "context_team_id": here.slack.team,
        }
    }


def open_conversation(here: Bench, given: Given) -> dict[str, Any]:
    """Open the direct messages with the person of `users`, one user id."""
    channel = here.slack.find(str(given.get("users") or ""))
    if channel is None or not channel.direct:
        raise SlackError("user_not_found")
    return {"channel": {"id": channel.id}}


def _posted(here: Bench, post: Post) -> dict[str, Any]:
    return {"channel": post.place, "ts": post.name, "message": here.slack_messages.shown(post)}


def _answer(body: dict[str, Any], status: int = 200) -> Response:
    answer = jsonify(body)
    answer.status_code = status
    if body.get("error") not in ("not_authed", "invalid_auth"):
        answer.headers["x-oauth-scopes"] = ",".join(_scopes())
    if status == 429:
        answer.headers["Retry-After"] = "1"
    return answer


METHODS: dict[str, Callable[[Bench, Given], dict[str, Any]]] = {
    "auth.test": auth_test,
    "chat.postMessage": post_message,
    "chat.update": update,
    "users.lookupByEmail": lookup_by_email,
    "users.info": user_info,
    "conversations.info": conversation_info,
    "conversations.open": open_conversation,
}
NEEDED = {  # the scope of a method
    "chat.postMessage": "chat:write",
    "chat.update": "chat:write",
    "users.lookupByEmail": "users:read.email",
    "users.info": "users:read",
    "conversations.info": "channels:read",
    "conversations.open": "im:write",
}
