"""The calls of the simulated Twilio account.

`api` are the routes of the REST API, `calls` stores calls, `twiml` reads TwiML, `line`
moves calls through their statuses, `scripts` are numbers that answer automatically, and `page`
shows the phones that ring.
"""

from __future__ import annotations
