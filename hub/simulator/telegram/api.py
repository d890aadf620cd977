"""The Bot API over HTTP: a token in the path, a method, and parameters as JSON, form or query."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request

from hub.simulator.context import current_simulator
from hub.simulator.telegram import methods
from hub.simulator.telegram.bot import TOKEN
from hub.simulator.telegram.errors import TelegramError, rate_limited

api = Blueprint("telegram_api", __name__)


@api.errorhandler(TelegramError)
def error_response(error: TelegramError) -> Response:
    response = jsonify(error.body)
    response.status_code = error.code
    if after := error.parameters.get("retry_after"):
        response.headers["Retry-After"] = str(after)
    return response


@api.route("/bot<token>/<method>", methods=["GET", "POST"])
def call(token: str, method: str) -> Response:
    """Check the bot's token, then execute the method."""
    simulator = current_simulator()
    if not TOKEN.fullmatch(token):
        raise TelegramError(404, "Not Found")
    if token != simulator.telegram.bot.token:
        raise TelegramError(401, "Unauthorized")
    if simulator.faults.use_refusal():
        raise rate_limited()
    if simulator.faults.use_failure():
        raise TelegramError(500, "Internal Server Error")
    return jsonify(ok=True, result=methods.perform(simulator, method, _params()))


def _params() -> dict[str, Any]:
    if not request.is_json:
        return dict(request.values.to_dict())
    body = request.get_json(silent=True) if request.get_data() else {}
    if not isinstance(body, dict):
        raise TelegramError(400, "Bad Request: can't parse JSON object")
    return {**request.args.to_dict(), **body}
