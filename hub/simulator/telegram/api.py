"""The Bot API over HTTP: a token in the path, a method, and its parameters as JSON, as a form or in
the address.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request

from hub.simulator.context import bench
from hub.simulator.telegram import methods
from hub.simulator.telegram.bot import TOKEN
from hub.simulator.telegram.errors import TelegramError, too_fast

api = Blueprint("telegram_api", __name__)


@api.errorhandler(TelegramError)
def refuse(problem: TelegramError) -> Response:
    answer = jsonify(problem.body)
    answer.status_code = problem.code
    if after := problem.parameters.get("retry_after"):
        answer.headers["Retry-After"] = str(after)
    return answer


@api.route("/bot<token>/<method>", methods=["GET", "POST"])
def call(token: str, method: str) -> Response:
    """Let in who has the bot's token, then do what the method says."""
    here = bench()
    if not TOKEN.fullmatch(token):
        raise TelegramError(404, "Not Found")
    if token != here.telegram.bot.token:
        raise TelegramError(401, "Unauthorized")
    if here.faults.refuses():
        raise too_fast()
    if here.faults.fails():
        raise TelegramError(500, "Internal Server Error")
    return jsonify(ok=True, result=methods.perform(here, method, _params()))


def _params() -> dict[str, Any]:
    if not request.is_json:
        return dict(request.values.to_dict())
    given = request.get_json(silent=True) if request.get_data() else {}
    if not isinstance(given, dict):
        raise TelegramError(400, "Bad Request: can't parse JSON object")
    return {**request.args.to_dict(), **given}
