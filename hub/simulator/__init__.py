"""Stand-ins for the providers on this machine, over HTTP: their APIs, what they post to a hub, and
pages that show what arrived.

Twilio is here, with the phones; each of the other providers is a package: slack, telegram, teams.

    scripted_numbers   phone numbers that fail on purpose
    accept             checks a new message, or refuses it
    resources          the JSON of every resource
    errors             the JSON of refusals
    rest               the routes of the API
    page               the phones and the switches
    store              everything that survives a restart
    account            credentials and state
    context            everything that the modules share
    timeline           the statuses of messages over time
    callbacks          how a status is posted
    segments           how an SMS is counted
    server             gunicorn
    posts              posts to teams and chats
    record_store       small records
    posting            one call to the hub
    fault              addresses that fail on purpose
    sample_people      people who press buttons and write

It uses the hub's words and settings and nothing else of it, and nothing of the hub uses it.
"""

from __future__ import annotations

from hub.simulator.app import create_simulator
from hub.simulator.server import serve

__all__ = ["create_simulator", "serve"]
