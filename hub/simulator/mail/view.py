"""The page of the simulated mailboxes, and the same data as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from hub.simulator.context import LIMITS, current_simulator
from hub.simulator.mail import scripted_faults
from hub.simulator.mail.certificate import certificate_of
from hub.simulator.mail.mailbox import StoredEmail
from hub.simulator.mail.returns import build_return
from hub.simulator.mail.scripted_faults import ReturnKind
from hub.simulator.mail.server import USERNAME, password_of
from hub.simulator.page import guard, request_body
from hub.simulator.sendgrid import scripted_faults as sendgrid_faults
from hub.simulator.sendgrid.api import key_of
from hub.simulator.sendgrid.events import new_event

view = Blueprint("mail", __name__)
view.before_request(guard)
FAULTS = (
    ("Rejected", scripted_faults.REFUSING),
    ("Rejected temporarily", scripted_faults.WAITING),
    ("Lost connections", scripted_faults.LOSING),
    ("Accepted, then returned or answered", scripted_faults.RETURNING),
)
SENDGRID_FAULTS = (
    ("Rejected", sendgrid_faults.REFUSING),
    ("Lost responses", sendgrid_faults.LOSING),
    ("Accepted, then reported", sendgrid_faults.REPORTING),
)
# an email is shown as mailboxes show it: with its own styles, and without scripts and images
EMAIL_CSP = (
    "sandbox allow-popups; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'"
)


@view.get("/simulator/mail")
def page() -> str:
    simulator = current_simulator()
    emails = list(reversed(simulator.mailbox.list_emails()))
    chosen = request.args.get("email", "")
    shown = next((one for one in emails if one.id == chosen), emails[0] if emails else None)
    return render_template(
        "simulator/mail.html",
        emails=emails,
        shown=shown,
        server=simulator.config.simulator_mail_bind,
        username=USERNAME,
        password=password_of(simulator.account.credentials),
        scripted_faults=FAULTS,
        sendgrid_faults=SENDGRID_FAULTS,
        api_url=request.host_url.rstrip("/"),
        api_key=key_of(simulator.account.credentials),
        version=simulator.store.version,
        faults=simulator.faults,
        limits=LIMITS,
        hub_url=simulator.config.public_url,
    )


@view.get("/simulator/mail.json")
def list_as_json() -> Response:
    """Return the accepted emails, oldest first, of one recipient if `to` is given.

    An email has `id`, `sender` and `recipient` (of the session), `headers` (pairs), `subject`,
    `text`, `html`, `size`, `created` and, if an API accepted it, the `request`.
    """
    emails = current_simulator().mailbox.list_emails(request.args.get("to", ""))
    return jsonify(emails=[_email_json(stored) for stored in emails])


@view.get("/simulator/mail/<number>/html")
def html(number: str) -> Response:
    """Return the HTML of an email, as a frame of the page shows it."""
    response = Response(_find(number).html, mimetype="text/html")
    response.headers["Content-Security-Policy"] = EMAIL_CSP
    return response


@view.get("/simulator/mail/<number>/raw")
def raw(number: str) -> Response:
    """Return an email as it was received."""
    return Response(_find(number).content, mimetype="text/plain")


@view.post("/simulator/mail/<number>/return")
def send_back(number: str) -> BaseResponse:
    """Answer an email as its recipient or a mail server does.

    `kind` is one of ReturnKind, and `text` its status code or what a reply says.
    """
    given = request_body()
    try:
        kind = ReturnKind(str(given.get("kind", "")))
    except ValueError:
        abort(400, f"Send a kind: {', '.join(ReturnKind)}.")
    content = build_return(_find(number), kind, str(given.get("text", "")))
    response = current_simulator().send_email_back(content)
    if request.is_json:
        return jsonify(accepted=response.is_accepted, summary=response.summary)
    if not response.is_accepted:
        abort(502, f"Signpost did not accept it: {response.summary}.")
    return redirect(url_for("mail.page", email=number), 303)


@view.post("/simulator/mail/<number>/report")
def report(number: str) -> BaseResponse:
    """Report an event of an email that SendGrid's API accepted. `kind` is one of BY_NAME."""
    stored = _find(number)
    kind = sendgrid_faults.BY_NAME.get(str(request_body().get("kind", "")))
    if kind is None or not stored.via:
        abort(400, f"Send a kind: {', '.join(sendgrid_faults.BY_NAME)}.")
    via = stored.via
    event = new_event(dict(kind), stored.recipient, via["id"], via["arguments"])
    response = current_simulator().event_webhook.post([event])
    if request.is_json:
        return jsonify(accepted=response.is_accepted, summary=response.summary)
    if not response.is_accepted:
        abort(502, f"Signpost did not accept it: {response.summary}.")
    return redirect(url_for("mail.page", email=number), 303)


@view.get("/simulator/mail/certificate.pem")
def show_certificate() -> Response:
    """Return the mail server's certificate, which HUB_CA_FILE can name."""
    folder = current_simulator().config.data_dir
    return Response(certificate_of(folder), mimetype="application/x-pem-file")


@view.post("/simulator/mail/empty")
def empty() -> BaseResponse:
    """Empty the mailboxes, and let every recipient that fails once do so again."""
    current_simulator().mailbox.empty()
    current_simulator().store.forget_attempts()
    return jsonify(emails=0) if request.is_json else redirect(url_for("mail.page"), 303)


def _find(number: str) -> StoredEmail:
    found = current_simulator().mailbox.find(number)
    if found is None:
        abort(404, "There is no such email. The mailboxes may have been emptied.")
    return found


def _email_json(stored: StoredEmail) -> dict[str, Any]:
    return {
        "id": stored.id,
        "sender": stored.sender,
        "recipient": stored.recipient,
        "headers": stored.headers,
        "subject": stored.subject,
        "text": stored.text,
        "html": stored.html,
        "size": stored.size,
        "request": stored.via.get("request"),
        "created": datetime.fromtimestamp(stored.created).astimezone().isoformat(),
    }
