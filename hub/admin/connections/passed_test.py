"""A test that passed, kept in the page until its settings are saved.

The result travels sealed in a hidden field, which only this hub opens, for the same reader and for
an hour. It names the settings that were tested by their digest, so it counts for no others.
"""

from __future__ import annotations

import base64
import binascii
import time
from datetime import UTC, datetime
from typing import Any

from hub.connections import connection_tests
from hub.connections.connection_tests import ConnectionTestResult, PassedTest
from hub.core.errors import DecryptionError
from hub.db.encrypted_fields import PASSED_TEST
from hub.db.types import keyring

LASTS = 3600  # seconds


def seal(tested: ConnectionTestResult | None, user_id: str) -> str:
    """Return the value of the hidden field; '' when there is no passed test of unsaved settings."""
    if tested is None or not (tested.check.ok and tested.unsaved and tested.fingerprint):
        return ""
    kept = connection_tests.stored_form(tested.check, tested.took)
    value = [int(time.time()), tested.fingerprint, tested.at.timestamp(), kept]
    return base64.urlsafe_b64encode(keyring().seal_json(PASSED_TEST, user_id, value)).decode()


def read(posted: str, user_id: str) -> PassedTest | None:
    """Return the test that a hidden field holds; None for what this reader was not given lately."""
    try:
        sealed = base64.urlsafe_b64decode(posted.encode("ascii", "ignore"))
        value: Any = keyring().open_json(PASSED_TEST, user_id, sealed)
    except (DecryptionError, binascii.Error):
        return None
    made_at, fingerprint, at, kept = value
    if time.time() - made_at >= LASTS:
        return None
    took = kept.pop("took", None)
    check = connection_tests.result_of(kept)
    return PassedTest(fingerprint, check, datetime.fromtimestamp(at, UTC), took)
