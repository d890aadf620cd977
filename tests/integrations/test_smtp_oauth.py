"""Sign-in with access tokens, from a sign-in server over loopback and at the simulator."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from flask import Flask, Response, request
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from hub.core.errors import ConnectionBroken, SendError, TransientError
from hub.integrations.base import Outbound
from hub.integrations.smtp.integration import Smtp
from hub.lib.provider_http import ProviderHttpClient
from hub.simulator.mail.server import token_of
from tests.conftest import config_of, free_port, serving
from tests.effort import examples
from tests.hub_fixtures import credentials

MICROSOFT = {
    "sign_in": "microsoft",
    "tenant": "acme.example",
    "client_id": "app-1",
    "client_secret": "the value of the secret",
}
KEY = rsa.generate_private_key(65537, 2048)
KEY_PEM = KEY.private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption(),
).decode()
GOOGLE = {
    "sign_in": "google",
    "service_account": json.dumps(
        {
            "client_email": "hub@project.example",
            "private_key_id": "key-1",
            "private_key": KEY_PEM,
        }
    ),
}


class SignInServer:
    """A server that gives tokens: those in `answers` first, then the last of them."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.answers: list[Any] = []
        self.received: list[tuple[str, dict[str, str]]] = []
        self.app = Flask("sign-in")
        self.app.add_url_rule("/<path:path>", "token", self.answer, methods=["POST"])

    def answer(self, path: str) -> Response:
        form = parse_qs(request.get_data(as_text=True))
        self.received.append((path, {name: values[-1] for name, values in form.items()}))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, int):
            return Response('{"error": "invalid_client"}', answer)
        return Response(json.dumps({"access_token": answer, "expires_in": 3600}))


@pytest.fixture
def sign_in() -> Iterator[SignInServer]:
    port = free_port()
    server = SignInServer(port)
    with serving(server.app, port):
        yield server


def make_smtp(app: Flask, server: SignInServer, **settings: Any) -> Smtp:
    config = config_of(app)
    known = Smtp.demo_settings(credentials(app)) or {}
    api = {
        "smtp": f"smtp://{config.simulator_mail_bind}",
        "microsoftlogin": server.url,
        "googletoken": server.url,
    }
    allow = {str(config.simulator_mail_bind), server.url.removeprefix("http://")}
    return Smtp(known | settings, ProviderHttpClient(allow=allow), api)


def outbound(number: int = 1) -> Outbound:
    return Outbound(id=f"msg_{number}", attempt=1, to="eric@example.com", text="Hello")


def test_secret_of_an_app_gives_a_token_that_is_used_until_it_expires(
    in_app: Flask, simulator: Any, sign_in: SignInServer
) -> None:
    sign_in.answers = [token_of(credentials(in_app))]
    one = make_smtp(in_app, sign_in, **MICROSOFT)
    for number in range(3):
        one.send(outbound(number))
        one._sessions._idle.pop().close()
    path = "acme.example/oauth2/v2.0/token"
    fields = {
        "grant_type": "client_credentials",
        "client_id": "app-1",
        "client_secret": "the value of the secret",
        "scope": "https://outlook.office365.com/.default",
    }
    assert sign_in.received == [(path, fields)]
    assert len(simulator.test_client().get("/simulator/mail.json").json["emails"]) == 3


def test_service_account_signs_a_statement_for_the_mailbox(
    in_app: Flask, simulator: Any, sign_in: SignInServer
) -> None:
    sign_in.answers = [token_of(credentials(in_app))]
    make_smtp(in_app, sign_in, **GOOGLE).send(outbound())
    [(path, form)] = sign_in.received
    assert (path, form["grant_type"]) == ("token", "urn:ietf:params:oauth:grant-type:jwt-bearer")
    header, claims, signature = form["assertion"].split(".")
    signed = f"{header}.{claims}".encode()
    KEY.public_key().verify(decoded(signature), signed, PKCS1v15(), hashes.SHA256())
    assert json.loads(decoded(header)) == {"alg": "RS256", "typ": "JWT", "kid": "key-1"}
    stated = json.loads(decoded(claims))
    assert stated.pop("exp") - stated.pop("iat") == 3600
    assert stated == {
        "iss": "hub@project.example",
        "sub": "signpost",
        "scope": "https://mail.google.com/",
        "aud": "https://oauth2.googleapis.com/token",
    }


def decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_refused_token_is_renewed_once(
    in_app: Flask, simulator: Any, sign_in: SignInServer
) -> None:
    sign_in.answers = ["revoked", token_of(credentials(in_app))]
    make_smtp(in_app, sign_in, **MICROSOFT).send(outbound())
    assert len(sign_in.received) == 2


@pytest.mark.parametrize(
    ("answers", "error", "code"),
    [
        (["revoked"], ConnectionBroken, "oauth_refused"),
        ([401], ConnectionBroken, "token_refused"),
        ([400], ConnectionBroken, "token_refused"),
        ([503], TransientError, "token_unavailable"),
        ([429], TransientError, "token_unavailable"),
    ],
)
def test_sign_in_server_that_gives_no_valid_token_has_its_error(
    in_app: Flask,
    simulator: Any,
    sign_in: SignInServer,
    answers: list[Any],
    error: type[SendError],
    code: str,
) -> None:
    sign_in.answers = answers
    one = make_smtp(in_app, sign_in, **MICROSOFT)
    with pytest.raises(SendError) as problem:
        one.send(outbound())
    assert (type(problem.value), problem.value.code) == (error, code)
    assert "the value of the secret" not in str(problem.value)
    assert len(sign_in.received) <= 2


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"tenant": ""}, "tenant"),
        ({"tenant": "../x"}, "tenant"),
        ({"client_id": ""}, "client_id"),
        ({"client_secret": ""}, "client_secret"),
        ({"username": ""}, "username"),
        ({"sign_in": "google"}, "service_account"),
        ({"sign_in": "google", "service_account": "{}"}, "service_account"),
        ({"sign_in": "password"}, ""),
        ({}, ""),
    ],
)
def test_form_names_what_the_sign_in_needs(
    in_app: Flask, changes: dict[str, str], field: str
) -> None:
    known = Smtp.demo_settings(credentials(in_app)) or {}
    form = Smtp.Form(MultiDict({**known, **MICROSOFT, **changes}))
    assert form.validate() is not bool(field), form.errors
    assert list(form.errors) == ([field] if field else [])


# ── The settings ──────────────────────────────────────────────────────────────────────────────────
def errors_of(**values: str) -> dict[str, list[str]]:
    form = Smtp.Form(MultiDict({"username": "sign@acme.example", **values}))
    form.validate()
    return {name: list(map(str, errors)) for name, errors in form.errors.items()}


@pytest.mark.parametrize(
    ("choice", "missing"),
    [("microsoft", ["tenant", "client_id", "client_secret"]), ("google", ["service_account"])],
)
def test_missing_setting_of_a_sign_in_has_one_error(choice: str, missing: list[str]) -> None:
    errors = errors_of(sign_in=choice)
    for name in missing:
        assert len(errors[name]) == 1
        assert errors[name][0].startswith("Enter the ")


@pytest.mark.parametrize("key", ["", "nonsense", KEY_PEM[:-200]])
def test_key_file_with_a_key_that_cannot_sign_is_refused(key: str) -> None:
    file = json.dumps({"client_email": "hub@project.example", "private_key": key})
    [error] = errors_of(sign_in="google", service_account=file)["service_account"]
    assert "not complete" in error


@given(text=st.text() | st.sampled_from(["[" * 100_000, "null", "{}", "1e999", '{"a":' * 5000]))
@settings(max_examples=examples(100))
def test_any_text_as_a_key_file_is_refused(text: str) -> None:
    assert len(errors_of(sign_in="google", service_account=text)["service_account"]) == 1


def test_settings_of_other_kinds_of_sign_in_are_not_needed() -> None:
    assert not {"tenant", "client_id", "client_secret", "service_account"} & set(
        errors_of(sign_in="password", password="secret-1")
    )
    assert "service_account" not in errors_of(**GOOGLE)


@pytest.mark.parametrize("name", ["username", "password"])
def test_sign_in_with_other_letters_is_refused(name: str) -> None:
    assert "ASCII" in errors_of(**{name: "пароль"})[name][0]
