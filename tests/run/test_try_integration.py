"""`hub try-integration` checks settings, tests a connection and sends one message."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hub.cli import cli
from hub.core.errors import Refused
from hub.integrations.api import Accepted, Address, Outbound, ProviderHttpClient, Status, TeamPosts
from hub.run import try_integration
from tests.integrations.http_recorder import HttpRecorder, record_requests

SECRET = "0123456789abcdef0123456789abcdef"
SERVICE = "MG" + "3" * 32
SETTINGS = {"account_sid": "AC" + "1" * 32, "auth_token": SECRET, "sender": SERVICE}
ACCOUNT = {"sid": SETTINGS["account_sid"], "status": "active", "type": "Full"}


@pytest.fixture
def http_recorder() -> Iterator[HttpRecorder]:
    with record_requests() as recorder:
        yield recorder


def run(folder: Path, recorder: HttpRecorder, *words: str, **settings: str) -> Result:
    """Run the command with its settings in a file, as its help advises for secrets."""
    file = folder / "settings.json"
    file.write_text(json.dumps({**SETTINGS, **settings}))
    environ = {"HUB_DATA_DIR": str(folder / "data"), "HUB_TWILIO_API_URL": recorder.url}
    command = ["try-integration", "twilio_sms", "--settings-file", str(file), *words]
    return CliRunner(env=environ).invoke(cli, command)


def test_message_is_sent_and_secrets_are_hidden(
    tmp_path: Path, http_recorder: HttpRecorder
) -> None:
    http_recorder.answer(200, ACCOUNT)
    http_recorder.answer(200, {"sid": SERVICE, "friendly_name": "Signing"})
    http_recorder.answer(201, {"sid": "SM1", "status": "queued", "num_segments": "1"})
    done = run(tmp_path, http_recorder, "--to", "+13175551234", "--text", f"Is it {SECRET}?")
    assert done.exit_code == 0, done.output
    assert "Connection test: passed." in done.output
    assert '"To": "+13175551234"' in done.output
    assert "Result: accepted, ID SM1." in done.output
    assert SECRET not in done.output


def test_refusal_is_explained_with_its_remedy(tmp_path: Path, http_recorder: HttpRecorder) -> None:
    http_recorder.answer(200, ACCOUNT)
    http_recorder.answer(200, {"sid": SERVICE, "friendly_name": "Signing"})
    http_recorder.answer(400, {"code": 21211, "message": "+13175551234 is not valid"})
    done = run(tmp_path, http_recorder, "--to", "+13175551234")
    assert done.exit_code == 1
    assert "Error: PermanentError, code 21211." in done.output
    assert "https://www.twilio.com/docs/api/errors/21211" in done.output


def test_failed_connection_test_sends_nothing(tmp_path: Path, http_recorder: HttpRecorder) -> None:
    http_recorder.answer(401, {"code": 20003})
    http_recorder.answer(401, {"code": 20003})
    done = run(tmp_path, http_recorder, "--to", "+13175551234")
    assert done.exit_code == 1
    assert "Connection test: failed." in done.output
    assert "Payload" not in done.output


def test_message_is_sent_without_a_test(tmp_path: Path, http_recorder: HttpRecorder) -> None:
    http_recorder.answer(201, {"sid": "SM1", "status": "queued", "num_segments": "1"})
    done = run(tmp_path, http_recorder, "--to", "+13175551234", "--no-check")
    assert done.exit_code == 0, done.output
    assert "Connection test" not in done.output
    assert "Result: accepted, ID SM1." in done.output


def test_invalid_settings_are_listed(tmp_path: Path, http_recorder: HttpRecorder) -> None:
    done = run(tmp_path, http_recorder, "-s", "sender=12", auth_token="")
    assert done.exit_code == 1
    assert "Settings: not valid." in done.output
    assert "\n  auth_token: " in done.output
    assert http_recorder.seen == []


def test_unknown_setting_is_refused_by_name(tmp_path: Path, http_recorder: HttpRecorder) -> None:
    done = run(tmp_path, http_recorder, "-s", "tone=blue")
    assert isinstance(done.exception, Refused)
    assert "has no setting tone. Its settings are account_sid" in str(done.exception)


class Push(TeamPosts):
    """Post to a channel."""

    title = "Push"
    address_pattern = "[a-z]+"
    destination_setting = "channel"

    def send(self, message: Outbound) -> Accepted:
        return Accepted("1", Status.SENT)

    def render(self, message: Outbound) -> dict[str, str]:
        return {"text": message.text}


class Text(Push):
    """Send to numbers that the provider writes without a plus sign."""

    address = Address.PHONE
    destination_setting = ""

    @classmethod
    def recipient_form(cls, address: str) -> str:
        return address.removeprefix("+")

    def render(self, message: Outbound) -> dict[str, str]:
        return {"to": message.to, "country": message.country}


def test_recipient_is_written_as_the_provider_reads_it() -> None:
    shown: list[str] = []
    trial = try_integration.Trial({}, "+13175551234")
    assert try_integration._send(Text({}, ProviderHttpClient()), trial, shown.append)
    assert json.loads(shown[0].removeprefix("Payload: ")) == {"to": "13175551234", "country": "US"}


def test_recipient_that_is_not_the_destination_is_remarked() -> None:
    connection = Push({"channel": "deals"}, ProviderHttpClient())
    for to, remarked in (("", False), ("deals", False), ("other", True)):
        shown: list[str] = []
        assert try_integration._send(connection, try_integration.Trial({}, to), shown.append)
        assert ("not the connection's own destination, deals" in " ".join(shown)) is remarked
