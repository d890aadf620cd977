"""The route that receives the webhooks of all providers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from flask import Blueprint, Request, Response, current_app, request
from flask.blueprints import BlueprintSetupState
from werkzeug.exceptions import BadRequest, MethodNotAllowed, NotFound

from hub import integrations
from hub.core.config import MAX_BODY_SIZE, Config
from hub.core.errors import BadWebhook
from hub.intake import call_answers, provider_callbacks
from hub.intake.provider_callbacks import VerificationProof
from hub.integrations.base import WebhookRequest
from hub.integrations.webhook_receiver import WebhookReceiver
from hub.lib.storable import is_storable
from hub.shared import action_tokens
from hub.webhooks import responses, target

PREFIX = "/api/rpc/webhooks"
PATHS = "hub.webhook_paths"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")

webhooks = Blueprint("webhooks", __name__, url_prefix=PREFIX)
responses.register_error_handlers(webhooks)


@webhooks.route("/<path:path>", methods=METHODS)
def receive(path: str) -> Response:
    """Verify one webhook, store it, and respond to its provider."""
    # resolve the proxy once
    http_request: Request = request._get_current_object()  # type: ignore[attr-defined]
    declared, connection, receivers = _find_receivers(path.rstrip("/"))
    candidates = _read_request(http_request, declared, connection)
    probe_responses = (receiver.probe_response(candidates[0]) for receiver in receivers)
    if (response := next(filter(None, probe_responses), None)) is not None:
        return responses.success_response(response)
    if http_request.method != "POST":
        raise MethodNotAllowed
    genuine, proof = _verify(candidates, receivers)
    is_new = provider_callbacks.store(genuine, proof)
    call = proof.integration.call_in_progress(genuine)
    if call is not None and (spoken := call_answers.answer_call(call, genuine, proof)) is not None:
        return responses.success_response(spoken)
    clicked = proof.integration.clicked_tokens(genuine)
    if clicked and not any(map(action_tokens.is_genuine, clicked)):
        return responses.success_response(proof.integration.foreign_click_response(genuine))
    return responses.success_response(proof.integration.webhook_response(genuine, is_new))


@webhooks.record
def _add_fixed_addresses(state: BlueprintSetupState) -> None:
    """Add fixed routes for URLs without a slug, because they match faster than a pattern.

    A path whose integrations accept larger bodies gets its own endpoint, whose limit the web
    server reads.
    """
    paths = state.app.extensions[PATHS] = integrations.webhook_paths()
    for path, receivers in paths.items():
        size = max(receiver.max_webhook_size for receiver in receivers)
        if "{" not in path and size == MAX_BODY_SIZE:
            state.add_url_rule(
                f"/{path}", "receive", receive, methods=METHODS, defaults={"path": path}
            )
        elif size > MAX_BODY_SIZE:
            rule = path.replace("{connection}", "<connection>")
            view = _view_of_large_bodies(path, size)
            state.add_url_rule(f"/{rule}", f"receive_{rule}", view, methods=METHODS)


def _view_of_large_bodies(path: str, size: int) -> Callable[..., Response]:
    """Return a view of one declared path that accepts bodies of up to `size` bytes."""

    def receive_large(connection: str = "") -> Response:
        request.max_content_length = size + 1
        return receive(path.replace("{connection}", connection))

    receive_large.max_body_size = size  # type: ignore[attr-defined]
    return receive_large


def _find_receivers(path: str) -> tuple[str, str, Sequence[type[WebhookReceiver]]]:
    """Return the declared path, the connection's slug, and the integrations that use the path.
    Raises NotFound.
    """
    paths = current_app.extensions[PATHS]
    parent, _, last = path.rpartition("/")
    for declared, connection in ((path, ""), (f"{parent}/{{connection}}", last)):
        if declared in paths and "{" not in path and is_storable(connection):
            return declared, connection, paths[declared]
    raise NotFound


def _read_request(incoming: Request, declared: str, connection: str) -> list[WebhookRequest]:
    """Return the request once for each URL that the provider may have signed.

    Raises BadRequest and RequestEntityTooLarge.
    """
    config: Config = current_app.extensions["hub.config"]
    environ = incoming.environ
    method = incoming.method
    addresses = target.candidate_urls(environ, config.public_url, config.path_prefix)
    headers = {
        _header_name(name): text for name, text in environ.items() if name.startswith("HTTP_")
    }
    headers["content-type"] = environ.get("CONTENT_TYPE", "")
    if not is_storable("".join((*addresses, *headers.values()))):
        raise BadRequest
    body = incoming.get_data(cache=False) if method == "POST" else b""
    return [
        WebhookRequest(method, url, declared, headers, body, connection, config.locale)
        for url in addresses
    ]


@lru_cache(maxsize=256)  # bounded, because clients choose the names
def _header_name(name: str) -> str:
    return name[5:].replace("_", "-").lower()


def _verify(
    candidates: Sequence[WebhookRequest], receivers: Sequence[type[WebhookReceiver]]
) -> tuple[WebhookRequest, VerificationProof]:
    """Return the candidate whose signature is valid. Raises BadWebhook."""
    *others, last = candidates
    for candidate in others:
        try:
            return candidate, provider_callbacks.verify(candidate, receivers)
        except BadWebhook:
            continue
    return last, provider_callbacks.verify(last, receivers)
