"""The Zapier app works with a running hub, and the n8n workflow verifies what the hub sends."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from tests.conftest import config_of, free_port
from tests.endpoints.receivers import Received, add_endpoint, notify, receiving, report
from tests.hub_fixtures import SigningApp
from tests.hub_fixtures import hub_demo as hub_demo
from tests.hub_fixtures import served as served
from tests.hub_fixtures import signing_app as signing_app
from tests.npm_packages import install_packages

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
WORKFLOW = json.loads((EXAMPLES / "n8n" / "signpost-webhooks.json").read_text())
PORT = free_port()
pytestmark = pytest.mark.xdist_group("examples")  # one process installs the packages
TARGET = f"http://127.0.0.1:{PORT}/hooks"
# runs the code of a node as n8n does: as the body of an asynchronous function
RUN_NODE = """
const {code, headers, body, env} = JSON.parse(require("fs").readFileSync(0, "utf8"));
const AsyncFunction = (async () => {}).constructor;
const input = {first: () => ({json: {headers}})};
const self = {helpers: {getBinaryDataBuffer: async () => Buffer.from(body, "base64")}};
new AsyncFunction("$input", "$env", "require", code).call(self, input, env, require)
  .then((items) => console.log(JSON.stringify(items[0].json)));
"""


@pytest.fixture
def settings() -> dict[str, str]:
    """Allow requests to the receiver of this test."""
    return {"HUB_HTTP_ALLOW": f"127.0.0.1:{PORT}"}


def verify_in_workflow(request: Received, secrets: str, body: bytes | None = None) -> Any:
    """Return what the node Verify makes of a request."""
    [node] = [node for node in WORKFLOW["nodes"] if node["name"] == "Verify"]
    given = {
        "code": node["parameters"]["jsCode"],
        "headers": request.headers,
        "body": base64.b64encode(request.body if body is None else body).decode(),
        "env": {"SIGNPOST_WEBHOOK_SECRETS": secrets},
    }
    done = subprocess.run(
        ["node", "-e", RUN_NODE],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
def test_workflow_verifies_webhooks(hub_demo: Flask) -> None:
    with receiving(PORT) as receiver:
        _, secret = add_endpoint(TARGET)
        event_id = report("sms_failed")
        notify()
    [request] = receiver.requests
    found = verify_in_workflow(request, f"whsec_b3RoZXI= {secret}")
    assert (found["verified"], found["id"], found["type"]) == (True, event_id, "sms_failed")
    assert verify_in_workflow(request, "whsec_b3RoZXI=") == {"verified": False}
    assert verify_in_workflow(request, secret, request.body + b" ") == {"verified": False}
    assert verify_in_workflow(request, "") == {"verified": False}


def test_workflow_has_what_the_import_command_of_n8n_needs() -> None:
    assert WORKFLOW["id"]
    assert UUID(WORKFLOW["versionId"]), "n8n import:workflow refuses a workflow without it"


def test_nodes_of_the_workflow_are_connected() -> None:
    names = {node["name"] for node in WORKFLOW["nodes"]}
    outputs = [
        connection["node"]
        for node_connections in WORKFLOW["connections"].values()
        for branch in node_connections["main"]
        for connection in branch
    ]
    assert names == {"Webhook", *outputs}
    assert WORKFLOW["connections"].keys() <= names


def test_zapier_app_works_with_a_running_hub(
    served: Flask, signing_app: SigningApp, request: pytest.FixtureRequest
) -> None:
    folder = install_packages(EXAMPLES / "zapier", request)
    environment = {
        **os.environ,
        "SIGNPOST_URL": config_of(served).public_url,
        "SIGNPOST_KEY": signing_app.key,
        "SIGNPOST_TARGET": TARGET,
    }
    done = subprocess.run(
        ["node", "--test", "test/"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert "# pass 6" in done.stdout
