"""Make a hub ready to be measured: migrated, with live connections that passed their test, an API
key and an admin.

Runs in a separate process, with the hub's settings in the environment.
"""

from __future__ import annotations

import json
import sys

from benchmarks.provider import SENDER
from hub import create_app, integrations
from hub.accounts import api_keys, users
from hub.connections import connections
from hub.core import config
from hub.core.vocabulary import Role
from hub.run import up

INTEGRATION = "twilio_sms"
# settings that would slow the hub down on purpose, should its form have them: the engine is what is
# measured
UNLIMITED = {"concurrency": "64"}


def main(
    account: str, token: str, connections: int, email: str, password: str
) -> dict[str, object]:
    """Prepare the hub and print the IDs of the connections."""
    app = create_app(config.load())
    with app.app_context():
        up.migrate()
        users.create_user(email=email, name="Bench", password=password, role=Role.ADMIN)
        connection_ids = [
            add_connection(account, token, str(int(SENDER) + number))
            for number in range(connections)
        ]
        return {"connections": connection_ids, "api_key": api_keys.create_key("Bench", test=False)}


def add_connection(account: str, token: str, digits: str) -> str:
    """Add a live connection and enable it, which asks the provider."""
    form = integrations.get(INTEGRATION).Form()
    wishes = {name: value for name, value in UNLIMITED.items() if name in form}
    values = {"account_sid": account, "auth_token": token, "sender": f"+{digits}", **wishes}
    connection_id = connections.add(INTEGRATION, f"Twilio {digits}", False, values)
    connections.enable(connection_id)
    return connection_id


if __name__ == "__main__":
    print(json.dumps(main(**json.loads(sys.argv[1]))))
