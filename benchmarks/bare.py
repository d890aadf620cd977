"""The smallest Flask application: it reads the request and answers 204 on the hub's server."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, request

from hub.core import config
from hub.run import web_server


def application() -> Flask:
    app = Flask("bare")

    @app.post("/", defaults={"path": ""})
    @app.post("/<path:path>")
    def answer(path: str) -> Response:
        request.get_data()
        return Response(status=204)

    return app


class Bare(web_server.Web):
    """A gunicorn with the options of `hub web` and another application."""

    def load(self) -> Any:
        return application()


if __name__ == "__main__":
    Bare(config.load()).run()
