"""Security headers and checks of requests: on pages, API, files and health, and not on webhooks."""

from __future__ import annotations

import pytest
from flask import Flask, Response
from werkzeug.test import TestResponse

from hub.lib import assets
from hub.lib.request_checks import HEADERS, add_headers
from tests.conftest import Browser, config_of

FILE = f"/static/{assets._version()}/signpost.css"
PAGES = ("/", "/sign-in", "/docs", "/nope", "/nope/x?y=1", "/account", "/static/x/nope.css", FILE)
API = ("/api/docs", "/api/v1/openapi.json", "/api/v1/events", "/api/v1/nope", "/api/nope")
HEALTH = ("/healthz", "/readyz")
WEBHOOKS = (
    "/api/rpc/webhooks/",
    "/api/rpc/webhooks/nope",
    "/api/rpc/webhooks/twilio/sms",
    "/api/rpc/webhooks/twilio/sms//",
    "/api/rpc/webhooks//twilio/sms",
)
METHODS = ("GET", "HEAD", "POST", "DELETE", "OPTIONS", "PROPFIND")


def ask(app: Flask, method: str, path: str, **options: object) -> TestResponse:
    return app.test_client().open(path, method=method, **options)  # type: ignore[arg-type]


def lacking(response: Response | TestResponse) -> set[str]:
    return {name for name in HEADERS if name not in response.headers}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", [*PAGES, *API, *HEALTH])
def test_every_answer_has_the_security_headers(app: Flask, method: str, path: str) -> None:
    response = ask(app, method, path)
    assert not lacking(response), response.status
    assert "Strict-Transport-Security" not in response.headers


@pytest.mark.parametrize("name", HEADERS)
def test_headers_of_a_view_are_kept(app: Flask, name: str) -> None:
    with app.app_context():
        response = add_headers(Response(headers={name.lower(): "its own"}))
    assert response.headers.getlist(name) == ["its own"]
    assert not lacking(response)
    assert len(response.headers) == len({key.lower() for key, _ in response.headers})


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", WEBHOOKS)
def test_answer_to_a_webhook_has_no_other_headers(app: Flask, method: str, path: str) -> None:
    response = ask(app, method, path, headers={"Cookie": "signpost=forged"})
    assert set(response.headers.keys()) - {"Allow"} == {"Content-Type", "Content-Length"}


def test_no_hook_of_an_extension_runs_for_every_request(app: Flask) -> None:
    assert not app.before_request_funcs.get(None)
    assert not app.after_request_funcs.get(None)
    assert not app.teardown_request_funcs.get(None)
    assert not app.before_request_funcs.get("webhooks")
    assert not app.after_request_funcs.get("webhooks")


@pytest.mark.parametrize("path", [*API, *HEALTH, *WEBHOOKS, FILE])
def test_only_pages_open_a_session(app: Flask, admin: Browser, path: str) -> None:
    response = admin.get(path)
    assert "Set-Cookie" not in response.headers
    assert "Cookie" not in response.headers.get("Vary", "")


class TestAnotherHost:
    """Requests that name another host."""

    @pytest.mark.parametrize("path", [*PAGES, *API])
    def test_is_refused(self, app: Flask, path: str) -> None:
        response = ask(app, "GET", path, base_url="http://evil.example")
        assert response.status_code == 400
        assert not lacking(response)
        assert config_of(app).public_url in response.text

    @pytest.mark.parametrize("path", ["/healthz", "/api/rpc/webhooks/nope"])
    def test_is_answered_where_no_name_matters(self, app: Flask, path: str) -> None:
        response = ask(app, "GET", path, base_url="http://evil.example")
        assert response.status_code == ask(app, "GET", path).status_code != 400


class TestHttps:
    """A hub whose public address has a path and begins with https."""

    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {"HUB_PUBLIC_URL": "https://hub.example/sign/eu", "HUB_DEMO": "0"}

    @pytest.mark.parametrize("path", [*PAGES, *API, *HEALTH])
    def test_answers_ask_for_https_in_future(self, app: Flask, path: str) -> None:
        response = ask(app, "GET", path)
        assert not lacking(response)
        assert response.headers["Strict-Transport-Security"] == "max-age=31536000"

    @pytest.mark.parametrize("path", WEBHOOKS)
    def test_answers_to_webhooks_do_not(self, app: Flask, path: str) -> None:
        response = ask(app, "GET", path)
        assert set(response.headers.keys()) - {"Allow"} == {"Content-Type", "Content-Length"}
