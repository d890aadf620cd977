"""An integration with two ways to sign in: the setting at fault, a refused test, its form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wtforms.validators import Optional, Regexp

from hub.integrations.api import (
    CheckResult,
    ConfigForm,
    ConnectionBroken,
    ErrorCode,
    ErrorTable,
    Integration,
    SecretField,
    TextField,
)
from tests.integrations.http_recorder import HttpRecorder, connect, form_errors, read_answer

SECRET = {"account": "acme", "api_secret": "secret_0123456789", "private_key": ""}
KEY = {"account": "acme", "api_secret": "", "private_key": "key_0123456789"}
CODES = {
    "closed": ErrorCode(ConnectionBroken, "It is closed.", "Open it.", ("private_key", "account"))
}


class Pushfox(Integration):
    """Send with an API secret, or with a private key."""

    name = "pushfox"
    title = "Pushfox"
    reports = False
    api = {"pushfox": "https://api.pushfox.example"}
    errors = ErrorTable(codes=CODES, credential=("api_secret", "private_key"))

    class Form(ConfigForm):
        account = TextField("Account", required=True)
        api_secret = SecretField("API secret", optional=True)
        private_key = SecretField("Private key", optional=True)

    def check(self) -> CheckResult:
        self.request("POST", "/v1/messages", content={}, expected_status=422)
        return self.passed_check("It sends.")


@pytest.mark.parametrize(
    ("settings", "status", "code", "field"),
    [
        (SECRET, 401, "other", "api_secret"),
        (KEY, 401, "other", "private_key"),
        (SECRET | KEY | SECRET, 403, "other", "api_secret"),
        (SECRET, 400, "closed", "account"),
        (KEY, 400, "closed", "private_key"),
        ({"account": "", "api_secret": "", "private_key": ""}, 401, "other", "api_secret"),
    ],
)
def test_first_filled_setting_is_at_fault(
    http_recorder: HttpRecorder, settings: dict[str, str], status: int, code: str, field: str
) -> None:
    http_recorder.answer(status, {"code": code})
    assert connect(Pushfox, http_recorder.url, settings).run_check().field == field


@pytest.mark.parametrize(
    ("status", "content", "passes"),
    [
        (422, {"code": "missing"}, True),
        (200, {}, True),
        (422, "<html></html>", False),
        (422, "", False),
        (400, {"code": "missing"}, False),
        (401, {"code": "missing"}, False),
        (500, {"code": "missing"}, False),
        (200, "<html></html>", False),
    ],
)
def test_expected_refusal_passes_if_the_provider_wrote_it(
    http_recorder: HttpRecorder, status: int, content: object, passes: bool
) -> None:
    http_recorder.answer(status, content)
    assert connect(Pushfox, http_recorder.url, SECRET).run_check().ok is passes


class Application(Pushfox):
    """Send with an application and its key, which has its own rule."""

    class Form(ConfigForm):
        application = TextField("Application")
        key = SecretField("Key", [Optional(), Regexp("k")], required_with="application")


def test_key_of_an_application_is_required_beside_other_rules() -> None:
    errors = {"key": ["Enter the key."]}
    assert form_errors(Application, {"application": "a", "key": ""}) == errors
    assert form_errors(Application, {"application": "", "key": ""}) == {}
    assert form_errors(Application, {"application": "a", "key": "k1"}) == {}


def test_errors_of_a_form_are_those_that_an_admin_sees() -> None:
    assert form_errors(Pushfox, SECRET) == {}
    assert list(form_errors(Pushfox, SECRET | {"account": ""})) == ["account"]
    assert list(form_errors(Pushfox, KEY | {"private_key": "two words"})) == ["private_key"]


@given(status=st.integers(100, 599), content=st.text(max_size=20))
def test_answer_of_the_recorder_may_begin_with_its_status(status: int, content: str) -> None:
    assert read_answer(f"{status} {content}") == (status, content, {})
    assert read_answer(f"x{content}") == (200, f"x{content}", {})
