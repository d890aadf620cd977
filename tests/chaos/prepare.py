"""Prepare a hub: migrate it, and add a live connection to the provider and an API key.

This runs in a separate process with the hub's settings in the environment.
"""

from __future__ import annotations

import json
import sys

from hub import create_app
from hub.accounts import api_keys
from hub.connections import connections
from hub.core import config
from hub.run import up

INTEGRATION = "twilio_sms"


def main(account: str, token: str, sender: str) -> str:
    """Prepare the hub and return the key."""
    app = create_app(config.load())
    with app.app_context():
        up.migrate()
        values = {"account_sid": account, "auth_token": token, "sender": sender}
        connections.enable(connections.add(INTEGRATION, "Provider", False, values))
        return api_keys.create_key("Chaos", test=False)


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
