"""The simulator's Flask application."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from hub.core.bind_address import is_loopback
from hub.core.config import Config
from hub.lib import assets
from hub.lib.page_text import Isolation
from hub.simulator.apprise.api import api as apprise_api
from hub.simulator.apprise.page import view as apprise_view
from hub.simulator.content_rest import content
from hub.simulator.context import SimulatorContext, current_simulator
from hub.simulator.errors import RestError, request_id
from hub.simulator.mail.view import view as mail_view
from hub.simulator.page import page
from hub.simulator.people import people
from hub.simulator.person import view as person_view
from hub.simulator.receiver.api import api as receiver_api
from hub.simulator.receiver.view import view as receiver_view
from hub.simulator.sendgrid.api import api as sendgrid_api
from hub.simulator.shorteners.api import api as shorteners_api
from hub.simulator.signing_apps.documenso import api as documenso_api
from hub.simulator.signing_apps.pactsafe import api as pactsafe_api
from hub.simulator.signing_apps.view import view as signing_apps_view
from hub.simulator.slack.api import api as slack_api
from hub.simulator.slack.page import view as slack_view
from hub.simulator.slack.webhooks import webhooks as slack_webhooks
from hub.simulator.teams.api import api as teams_api
from hub.simulator.teams.page import view as teams_view
from hub.simulator.telegram import methods
from hub.simulator.telegram.api import api as telegram_api
from hub.simulator.telegram.page import view as telegram_view
from hub.simulator.voice import api as calls_api
from hub.simulator.voice.page import view as voice_view

CSP = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; font-src"
    " 'self'; connect-src 'self'; frame-src 'self'; form-action 'self';"
    " frame-ancestors 'none'; base-uri 'none'"
)
MAX_REQUEST_SIZE = 256 * 1024
TWILIO_PATHS = ("/2010-04-01", "/v1/", "/v2/")
BLUEPRINTS = (
    calls_api.routes,
    content,
    page,
    people,
    person_view,
    slack_api,
    slack_webhooks,
    slack_view,
    telegram_api,
    telegram_view,
    teams_api,
    teams_view,
    mail_view,
    apprise_api,
    apprise_view,
    receiver_api,
    receiver_view,
    voice_view,
    sendgrid_api,
    pactsafe_api,
    documenso_api,
    signing_apps_view,
    shorteners_api,
)


def create_simulator(config: Config) -> Flask:
    """Create the simulator's application and start its background threads."""
    folder = Path(__file__).parent.parent
    app = Flask(__name__, template_folder=str(folder / "templates"), static_folder=None)
    app.config.update(MAX_CONTENT_LENGTH=MAX_REQUEST_SIZE)
    app.jinja_env.add_extension(Isolation)
    assets.init_app(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    app.register_error_handler(RestError, RestError.response)
    app.register_error_handler(HTTPException, _render_error)
    app.before_request(_check_host)
    app.after_request(_set_security_headers)
    simulator = SimulatorContext(config)
    simulator.attach(app)
    simulator.start()
    simulator.telegram.updates.start(partial(methods.perform, simulator))
    return app


def _check_host() -> tuple[str, int] | None:
    """Refuse foreign host names, so that no website can read the phones by DNS rebinding."""
    name = urlsplit(f"//{request.host}").hostname or ""
    if is_loopback(name) or not current_simulator().config.simulator_bind.loopback:
        return None
    return f"The simulator responds only at its own address, not at {name}.\n", 421


def _set_security_headers(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", CSP)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    return response


def _render_error(error: HTTPException) -> Response:
    if not request.path.startswith(TWILIO_PATHS):
        return Response(f"{error.description}\n", error.code, mimetype="text/plain")
    if isinstance(error, MethodNotAllowed):
        response = RestError(
            20004, headers={"Allow": ", ".join(error.valid_methods or ())}
        ).response()
    elif isinstance(error, NotFound):
        response = RestError(20404, request.path).response()
    else:
        response = RestError(20001 if (error.code or 500) < 500 else 20500, error.name).response()
    response.headers["Twilio-Request-Id"] = request_id()
    return response
