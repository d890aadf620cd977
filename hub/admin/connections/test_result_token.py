"""Carry the result of a passed connection test in the page until its settings are saved.

A hidden field contains the encrypted result. It is valid for one hour, for the same user, and only
for the tested settings, which it names by their digest.
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

LIFETIME = 3600  # seconds


def encrypt_result(tested: ConnectionTestResult | None, user_id: str) -> str:
    """Return the value of the hidden field, or '' if there is no passed test of unsaved
    settings.
    """
    if tested is None or not (tested.check.ok and tested.unsaved and tested.fingerprint):
        return ""
    result = connection_tests.serialize_result(tested.check, tested.duration)
    value = [int(time.time()), tested.fingerprint, tested.tested_at.timestamp(), result]
    return base64.urlsafe_b64encode(keyring().seal_json(PASSED_TEST, user_id, value)).decode()


def decrypt_result(posted: str, user_id: str) -> PassedTest | None:
    """Return the test in a hidden field, or None if it is expired, damaged or another user's."""
    try:
        encrypted = base64.urlsafe_b64decode(posted.encode("ascii", "ignore"))
        value: Any = keyring().open_json(PASSED_TEST, user_id, encrypted)
    except (DecryptionError, binascii.Error):
        return None
    sealed_at, fingerprint, at, result = value
    if time.time() - sealed_at >= LIFETIME:
        return None
    duration = result.pop("took", None)
    check = connection_tests.parse_result(result)
    return PassedTest(fingerprint, check, datetime.fromtimestamp(at, UTC), duration)
