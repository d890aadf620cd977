"""A client that openapi-python-client generates from our document, against a running hub."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from tests.live_hub import Hub

BIN = Path(sys.executable).parent
PACKAGE = "signpost_generated"


@pytest.fixture(scope="module")
def hub(shared_hub: Hub) -> Hub:
    return shared_hub


@pytest.fixture(scope="module")
def generated(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Generate a client from the served document without warnings, and import it."""
    folder = tmp_path_factory.mktemp("client")
    process = subprocess.run(
        [
            BIN / "openapi-python-client",
            "generate",
            "--url",
            f"{hub.url}/api/v1/openapi.json",
            "--meta",
            "none",
            "--output-path",
            folder / PACKAGE,
            "--fail-on-warning",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"},  # it formats with ruff
    )
    assert process.returncode == 0, process.stdout + process.stderr
    assert "warning" not in (process.stdout + process.stderr).lower()
    sys.path.insert(0, str(folder))
    yield PACKAGE
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.split(".")[0] == PACKAGE]:
        del sys.modules[name]


def import_module(generated: str, path: str) -> Any:
    return importlib.import_module(f"{generated}.{path}")


@pytest.fixture
def client(hub: Hub, generated: str) -> Iterator[Any]:
    with import_module(generated, "client").AuthenticatedClient(
        base_url=hub.url, token=hub.key
    ) as client:
        yield client


def test_every_operation_is_in_the_client_and_imports(generated: str) -> None:
    folder = Path(import_module(generated, "api").__path__[0])
    modules = [path for path in folder.rglob("*.py") if path.stem != "__init__"]
    assert len(modules) >= 15
    for path in modules:
        module = import_module(
            generated, ".".join(("api", *path.relative_to(folder).with_suffix("").parts))
        )
        assert callable(module.sync_detailed)


def test_event_is_posted_and_its_message_listed(client: Any, generated: str) -> None:
    models = import_module(generated, "models")
    event = models.EventIn(
        type_=models.EventType.REQUEST_SENT,
        occurred_at=datetime.now(UTC),
        request=models.RequestIn(
            id="gen/2026 1", title="NDA", sender=models.SenderIn(name="Acme HR")
        ),
        signers=[
            models.SignerIn(
                id="eric",
                name="Eric Smith",
                mobile_number="+13175551234",
                signing_url="https://sign.example/r/1",
            )
        ],
    )
    answer = import_module(generated, "api.events.post_event").sync_detailed(
        client=client, body=event
    )
    assert answer.status_code == 202, answer.content
    sent = [message.id for message in answer.parsed.messages if message.to == "+13175551234"]
    assert len(sent) == 1
    listed = import_module(generated, "api.messages.list_messages").sync(
        client=client, to="+13175551234"
    )
    assert sent[0] in [message.id for message in listed.messages]
    fetched_message = import_module(generated, "api.messages.get_message").sync(
        client=client, message_id=sent[0]
    )
    assert (fetched_message.id, fetched_message.channel.value) == (sent[0], "sms")


def test_file_is_uploaded_and_sent(client: Any, generated: str, hub: Hub) -> None:
    models = import_module(generated, "models")
    types = import_module(generated, "types")
    content = b"%PDF-1.7\n" + bytes(range(256)) * 40
    file = types.File(payload=BytesIO(content), file_name="signed.pdf", mime_type="application/pdf")
    answer = import_module(generated, "api.media.post_media").sync_detailed(
        client=client, body=models.PostMediaBody(file=file)
    )
    assert answer.status_code == 201, answer.content
    assert answer.parsed.size == len(content)
    number = hub.number()
    hub.use_phone(number, "window", channel="whatsapp")
    hub.receive_text(number)
    message = models.MessageIn(
        to=number, text="Here it is", channel=models.Channel.WHATSAPP, media=answer.parsed.id
    )
    sent = import_module(generated, "api.messages.post_message").sync_detailed(
        client=client, body=message
    )
    assert sent.status_code == 202, sent.content
    hub.wait_for_status(sent.parsed.id, "delivered", "read")


def test_refusal_is_a_problem_with_its_field(client: Any, generated: str) -> None:
    models = import_module(generated, "models")
    message = models.MessageIn(to="5551234567", text="Hello", channel=models.Channel.SMS)
    answer = import_module(generated, "api.messages.post_message").sync_detailed(
        client=client, body=message
    )
    assert (int(answer.status_code), answer.parsed.field) == (422, "to")
