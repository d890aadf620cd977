"""The one account of the simulated provider: who may sign in, and what state it is in."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from dataclasses import asdict, replace
from pathlib import Path

from hub import datadir
from hub.simulator.store import Store

TYPES = ("Full", "Trial")
STATUSES = ("active", "suspended")
TRIAL_NOTICE = "Sent from your Twilio trial account - "


class Account:
    """Credentials out of the data folder, state out of the store."""

    def __init__(self, folder: Path, store: Store) -> None:
        self._file = folder / "simulator.json"
        self._store = store
        self.credentials = datadir.simulator_credentials(folder)
        self.type: str = store.setting("type", "Full")
        self.status: str = store.setting("status", "active")
        self.created: float = store.setting("created", 0.0)
        if not self.created:
            self.created = time.time()
            store.set("created", self.created)

    @property
    def sid(self) -> str:
        return self.credentials.account_sid

    @property
    def number_sid(self) -> str:
        return "PN" + hashlib.sha256(f"{self.sid}{self.credentials.phone_number}".encode()).hexdigest()[:32]

    @property
    def suspended(self) -> bool:
        return self.status == "suspended"

    @property
    def trial(self) -> bool:
        return self.type == "Trial"

    def opens(self, user: str, password: str) -> bool:
        """Tell whether this user name and password sign in: the account and its token, or the API key and its secret."""
        pairs = (
            (self.credentials.account_sid, self.credentials.auth_token),
            (self.credentials.api_key_sid, self.credentials.api_key_secret),
        )
        return any(_same(user, sid) and _same(password, secret) for sid, secret in pairs)

    def switch(self, *, type: str | None = None, status: str | None = None) -> None:
        """Change the account's type, status or both; raise ValueError with the words there are."""
        for name, value, words in (("type", type, TYPES), ("status", status, STATUSES)):
            if value is not None and value not in words:
                raise ValueError(f"The account's {name} is {' or '.join(words)}, not {value!r}.")
        for name, value in (("type", type), ("status", status)):
            if value is not None:
                setattr(self, name, value)
                self._store.set(name, value)

    def rotate(self) -> None:
        """Replace the Auth Token; the old one is refused from now on, and callbacks are signed with the new."""
        self.credentials = replace(self.credentials, auth_token=secrets.token_hex(16))
        datadir.write_private(self._file, json.dumps(asdict(self.credentials), indent=1))


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())
