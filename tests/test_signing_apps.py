"""Signing apps from end to end with real processes: webhooks come in, and people get messages."""

from __future__ import annotations

import json
import random
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

import hub as hub_package
from hub import integrations
from hub.connections import connections
from hub.core import config
from hub.db.engine import db
from hub.models import ProviderCallback
from tests.conftest import close, wait_until
from tests.live_hub import Hub

APPS = ("pactsafe", "documenso")
SIGNERS = "Eric Smith, eric@example.com, 317-555-1234\nAnna Jones, anna@example.com, 13175550177"


@pytest.fixture(scope="module")
def hub(shared_hub: Hub) -> Hub:
    add_connections(shared_hub)
    return shared_hub


def add_connections(running: Hub) -> None:
    """Set up both apps with the simulator, as an admin does."""
    app = hub_package.create_app(config.load(running.environ))
    with app.app_context():
        for name in APPS:
            values = integrations.get(name).demo_settings(running.credentials)
            assert values is not None
            connections.enable(connections.add(name, name.title(), True, values))
        close(app)


def use(hub: Hub, path: str, **fields: Any) -> Any:
    """Do something in the simulated app."""
    request = urllib.request.Request(
        f"{hub.simulator_url}/simulator/{path}",
        json.dumps(fields).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def create(hub: Hub, app: str, signers: str = SIGNERS, **fields: Any) -> dict[str, Any]:
    created = use(
        hub, f"{app}/documents", title="Lease", signers=signers, email="1", phone="1", **fields
    )
    return dict(created)


def act(hub: Hub, app: str, document: dict[str, Any], action: str, signer: str = "") -> None:
    use(hub, f"{app}/documents/{document['id']}/{action}", signer=signer)


def request_id(app: str, document: dict[str, Any]) -> str:
    return document["id"] if app == "pactsafe" else f"envelope_{document['id'][:16]}"


def read_request(hub: Hub, app: str, document: dict[str, Any]) -> dict[str, Any]:
    """Return the request as the API shows it, or {} before it is known."""
    try:
        return dict(hub.call("GET", f"/requests/{request_id(app, document)}"))
    except urllib.error.HTTPError as refusal:
        refusal.close()
        return {}


def wait_for(hub: Hub, app: str, document: dict[str, Any], state: str) -> dict[str, Any]:
    wait_until(lambda: read_request(hub, app, document).get("state") == state, 30)
    return read_request(hub, app, document)


def signer_states(request: dict[str, Any]) -> set[str]:
    return {signer["state"] for signer in request["signers"]}


def invitations(hub: Hub, app: str, document: dict[str, Any]) -> list[dict[str, Any]]:
    listed = hub.call("GET", f"/messages?request={request_id(app, document)}")["messages"]
    return [message for message in listed if message["signer"]]


def test_documenso_completes_nothing_while_a_recipient_waits(hub: Hub) -> None:
    document = create(hub, "documenso")
    act(hub, "documenso", document, "send")
    act(hub, "documenso", document, "sign", "signer-1")
    with pytest.raises(urllib.error.HTTPError) as refusal:
        act(hub, "documenso", document, "complete")
    assert refusal.value.code == 422
    refusal.value.close()
    act(hub, "documenso", document, "sign", "signer-2")
    act(hub, "documenso", document, "complete")
    wait_for(hub, "documenso", document, "completed")


@pytest.mark.parametrize("app", APPS)
def test_whole_signing(hub: Hub, app: str) -> None:
    document = create(hub, app)
    act(hub, app, document, "send")
    request = wait_for(hub, app, document, "open")
    assert request["title"] == "Lease"
    # PactSafe asks for a message to each address, and Documenso has no numbers
    count = 4 if app == "pactsafe" else 2
    wait_until(lambda: len(invitations(hub, app, document)) == count, 20)
    for message in invitations(hub, app, document):
        hub.wait_for_status(message["id"], "delivered", "read", "sent")
    for number in (1, 2):
        act(hub, app, document, "sign", f"signer-{number}")
    wait_until(lambda: signer_states(read_request(hub, app, document)) == {"signed"}, 20)
    act(hub, app, document, "complete")
    wait_for(hub, app, document, "completed")


@pytest.mark.parametrize("app", APPS)
def test_repeated_and_shuffled_webhooks_have_the_same_result(hub: Hub, app: str) -> None:
    document = create(hub, app, play="shuffled")
    request = wait_for(hub, app, document, "completed")
    wait_until(lambda: signer_states(read_request(hub, app, document)) == {"signed"}, 30)
    wait_until(lambda: not waiting(hub), 30)
    before = {message["id"] for message in invitations(hub, app, document)}
    for action in ("repeat", "shuffle", random.choice(("repeat", "shuffle"))):
        act(hub, app, document, action)
    wait_until(lambda: not waiting(hub), 30)
    assert {message["id"] for message in invitations(hub, app, document)} == before
    after = read_request(hub, app, document)
    assert (after["state"], after["title"]) == (request["state"], request["title"])


def waiting(hub: Hub) -> list[str]:
    """Return the webhooks whose events are not accepted yet."""
    app = hub_package.create_app(config.load(hub.environ))
    with app.app_context():
        due = ProviderCallback.due_at.is_not(None) | ProviderCallback.fetch_at.is_not(None)
        found = list(db.session.scalars(select(ProviderCallback.id).where(due)))
        close(app)
    return found


def test_outage_of_the_api_loses_nothing(hub: Hub) -> None:
    use(hub, "pactsafe/down", on="1")
    try:
        documents = [create(hub, "pactsafe", play="straight") for _ in range(3)]
        wait_until(lambda: len(waiting(hub)) == 12, 20)
        assert read_request(hub, "pactsafe", documents[0]) == {}
    finally:
        use(hub, "pactsafe/down", on="0")
    for document in documents:
        request = wait_for(hub, "pactsafe", document, "completed")
        assert len(request["signers"]) == 2
    wait_until(lambda: not waiting(hub), 60)


@pytest.mark.parametrize("app", APPS)
@pytest.mark.parametrize("secret", ["", "wrong"])
def test_wrong_secret_is_unauthorized(hub: Hub, app: str, secret: str) -> None:
    header = "Pactsafe-Webhook-Token" if app == "pactsafe" else "X-Documenso-Secret"
    url = f"{hub.url}/api/rpc/webhooks/{app}/{app}"
    request = urllib.request.Request(url, b"{}", {header: secret} if secret else {})
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(request, timeout=10)
    refusal.value.close()
    assert refusal.value.code == 401


def test_test_event_is_answered(hub: Hub) -> None:
    assert use(hub, "pactsafe/test")["result"] == "response 200"
    with urllib.request.urlopen(f"{hub.simulator_url}/simulator/pactsafe", timeout=30) as page:
        text = page.read().decode()
    assert "Test event: response 200" in text
    assert "success" in text.partition("Test event:")[2]


def test_signing_link_of_a_message_opens_a_page(hub: Hub, tmp_path: Path) -> None:
    document = create(hub, "documenso")
    token = document["signers"][0]["token"]
    with urllib.request.urlopen(f"{hub.simulator_url}/sign/{token}", timeout=10) as page:
        assert "Eric Smith" in page.read().decode()
