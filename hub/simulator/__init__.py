"""Simulate the providers on this machine: their APIs, their webhooks, and pages that show the
messages.

Twilio and its phones are in this package. Slack, Telegram, Teams and Apprise each have their own
package, and signing apps share one.

    message_creation  check and create a message       resources     JSON of the API's resources
    content_templates the account's templates
    rest              routes of Twilio's API           content_rest  routes of the Content API
    account           credentials and state            page, people  phones and their actions
    store, file       messages in SQLite               posts         messages of teams and chats
    record_store      small records                    media         files of messages
    timeline          steps that a message takes       callbacks     status callbacks
    inbound           messages from phones             posting       one request to the hub
    scripted_numbers  numbers that fail on purpose     fault         addresses that fail on purpose
    context           state of a running simulator     server        gunicorn

The simulator imports only the hub's vocabulary, settings and general helpers. Nothing of the hub
imports the simulator.
"""

from __future__ import annotations

from hub.simulator.app import create_simulator
from hub.simulator.server import serve

__all__ = ["create_simulator", "serve"]
