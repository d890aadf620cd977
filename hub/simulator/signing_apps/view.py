"""The pages of the simulated signing apps, and the same data as JSON."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from hub.simulator.context import current_simulator
from hub.simulator.page import guard, request_body
from hub.simulator.signing_apps import actions, documents, pactsafe

view = Blueprint("signing_apps", __name__)
view.before_request(guard)
SHOWN = 20
SIGNERS = "Eric Smith, eric@example.com, 317-555-1234\nAnna Jones, anna@example.com, 13175550177"


@view.get("/simulator/pactsafe")
def pactsafe_page() -> str:
    return _show("pactsafe")


@view.get("/simulator/documenso")
def documenso_page() -> str:
    return _show("documenso")


def _show(app: str, problem: str = "") -> str:
    simulator = current_simulator()
    return render_template(
        "simulator/signing_app.html",
        app=app,
        title=actions.TITLES[app],
        documents=documents.list_documents(simulator, app)[:SHOWN],
        url=actions.webhook_url(simulator, app),
        down=pactsafe.is_down(),
        last_test=actions.last_test(simulator, app),
        has_waiting_signers=actions.has_waiting_signers,
        signers=SIGNERS,
        problem=problem,
        hub_url=simulator.config.public_url,
    )


@view.get("/simulator/<any(pactsafe, documenso):app>.json")
def list_as_json(app: str) -> Response:
    """Return the webhook URL and the documents, newest first, with their webhooks."""
    simulator = current_simulator()
    return jsonify(
        url=actions.webhook_url(simulator, app),
        documents=documents.list_documents(simulator, app),
    )


@view.post("/simulator/<any(pactsafe, documenso):app>/documents")
def create(app: str) -> BaseResponse:
    """Create a document, and maybe play its whole signing: `play` is `straight` or `shuffled`."""
    posted = request_body()
    simulator = current_simulator()
    try:
        signers = documents.read_signers(
            str(posted.get("signers", "")),
            email_on=bool(posted.get("email")),
            phone_on=bool(posted.get("phone")),
        )
        title = str(posted.get("title", ""))
        document = documents.create_document(simulator, app, title, signers)
    except ValueError as problem:
        abort(422, str(problem))
    if played := posted.get("play"):
        actions.play(simulator, app, document, shuffled=played == "shuffled")
    return _done(app, document)


@view.post("/simulator/<any(pactsafe, documenso):app>/documents/<document_id>/<action>")
def act(app: str, document_id: str, action: str) -> BaseResponse:
    """Perform an action on a document, or post its webhooks again."""
    simulator = current_simulator()
    document = documents.find_document(simulator, app, document_id)
    if document is None:
        abort(404)
    signer_id = str(request_body().get("signer", ""))
    try:
        if action in ("repeat", "shuffle"):
            actions.repeat(simulator, app, document, shuffled=action == "shuffle")
        else:
            actions.act(simulator, app, document, action, signer_id)
    except ValueError as problem:
        abort(422, str(problem))
    return _done(app, document)


@view.post("/simulator/<any(pactsafe, documenso):app>/settings")
def change_settings(app: str) -> BaseResponse:
    """Save the URL that webhooks are posted to."""
    url = str(request_body().get("url", "")).strip()
    current_simulator().records.put(f"{app} settings", "url", {"url": url})
    return _done(app, {})


@view.post("/simulator/pactsafe/down")
def switch() -> BaseResponse:
    """Switch the API off and on: `on` is `1` if it is to be down."""
    is_on = str(request_body().get("on", "")) == "1"
    record = f"{pactsafe.NAME} {pactsafe.DOWN}"
    current_simulator().records.put(record, pactsafe.DOWN, {"on": is_on})
    return _done("pactsafe", {"down": is_on})


@view.post("/simulator/pactsafe/test")
def post_test() -> BaseResponse:
    """Post the webhook of the Test button."""
    return _done("pactsafe", {"result": actions.post_test(current_simulator())})


def _done(app: str, answer: dict[str, Any]) -> BaseResponse:
    if request.is_json:
        return jsonify(answer)
    return redirect(url_for(f"signing_apps.{app}_page"), 303)
