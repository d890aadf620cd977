"""PactSafe, now Ironclad Clickwrap: a signing app. Signpost notifies its signers.

The admin adds a webhook in PactSafe, with a secret code, and enters an API key. PactSafe reports
when a request is sent, signed, complete or expired. Signpost then fetches the request.
"""

from __future__ import annotations

from hub.integrations.pactsafe.integration import PactSafe as PactSafe
