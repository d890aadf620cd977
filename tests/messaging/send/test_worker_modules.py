"""The modules that a sending worker loads. Each one takes memory in every worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from hub.models import Connection
from tests.hub_fixtures import connection as connection
from tests.hub_fixtures import hub_demo as hub_demo
from tests.hub_fixtures import queue_text, status
from tests.integrations.instances import ALL

PAGES_AND_API = ("hub.admin", "hub.api", "hub.webhooks", "hub.simulator", "hub.evidence")
LIBRARIES = (
    "aiosmtpd",
    "alembic",
    "apprise",
    "argon2",
    "confluent_kafka",
    "flask_limiter",
    "flask_login",
    "flask_wtf",
    "markdown_it",
    "paho",
    "phonenumbers.carrierdata",
    "phonenumbers.geodata",
    "phonenumbers.tzdata",
    "typst",
)
# the classes of Twilio's resources: one loads those of the whole account
RESOURCES = ("twilio.rest.api",)
OTHER_INTEGRATIONS = tuple(
    sorted({cls.__module__ for cls in ALL if not cls.__module__.startswith("hub.integrations.twi")})
)
PROGRAM = """
import json, sys
from hub import cli, jobs
from hub.jobs import deliver, worker
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.send.dispatcher import Dispatcher
from hub.run import up

with up.background_app().app_context():
    jobs.run_job("deliver", lambda stopping: Dispatcher(stopping).run(linger=0))
print(json.dumps(list(sys.modules)))
"""


@pytest.mark.usefixtures("simulator")
def test_sending_worker_loads_only_what_it_needs(
    environ: dict[str, str], connection: Connection
) -> None:
    message_id = queue_text()
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert status(message_id) == "accepted", "a message was sent, so all that it needs is loaded"
    loaded = json.loads(result.stdout.splitlines()[-1])
    heavy = (*PAGES_AND_API, *LIBRARIES, *RESOURCES, *OTHER_INTEGRATIONS)
    assert [name for name in heavy if name in loaded] == []
