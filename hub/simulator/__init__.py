"""Stand-ins for the providers on this machine, over HTTP: their APIs, what they post to a hub, and
pages that show what arrived.

Twilio is here, with the phones; each of the others has a room of its own: slack, telegram, teams.

    magic      numbers that misbehave, as data          segments   counting
    accept     a new message: checked, or refused       resources  the JSON of everything
    errors  and of refusals
    rest       the API's routes                         page       the phone and the switches
    store      what outlives a restart                  account    credentials and state
    bench   what all share
    timeline   what becomes of messages                 callbacks  how a status is posted
    server  gunicorn
    posts      what teams and chats show                shelf      small records
    posting  one call of the hub
    trouble    addresses that fail on purpose           cast       who presses and writes

It uses the hub's words and settings and nothing else of it, and nothing of the hub uses it.
"""

from __future__ import annotations

from hub.simulator.app import create_simulator
from hub.simulator.server import serve

__all__ = ["create_simulator", "serve"]
