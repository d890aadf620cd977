"""The one account of the simulated Twilio: its credentials and its state."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from hub.core import data_dir
from hub.core.quotes import quoted
from hub.simulator.signing import DIALECTS, Key
from hub.simulator.store import Store

TYPES = ("Full", "Trial")
STATUSES = ("active", "suspended")
SIGNINGS = ("Auth Token", "SharedKey")
CHOICES = {"type": TYPES, "status": STATUSES, "signing": SIGNINGS, "dialect": DIALECTS}
TRIAL_NOTICE = "Sent from your Twilio trial account - "


class Account:
    """The account. Credentials are stored in the data folder, state in the store."""

    def __init__(self, folder: Path, store: Store) -> None:
        self._file = folder / "simulator.json"
        self._store = store
        self.credentials = data_dir.simulator_credentials(folder)
        self.type: str = store.setting("type", "Full")
        self.status: str = store.setting("status", "active")
        self.signing: str = store.setting("signing", SIGNINGS[0])
        self.dialect: str = store.setting("dialect", DIALECTS[0])
        # the second Auth Token of a rotation
        self.secondary: str = store.setting("secondary", "")
        self.shared_key = Key(
            *self._setting_or(
                "shared_key",
                [secrets.token_urlsafe(32), f"webhooks_sharedkey_{secrets.token_hex(16)}"],
            )
        )
        # address for the number's inbound messages, if one was set
        self.sms_url: str = store.setting("sms_url", "")
        # what answers calls to the number, and what its calls are reported to
        self.voice_url: str = store.setting("voice_url", "")
        self.voice_callback: str = store.setting("voice_callback", "")
        # address used for them otherwise, derived from a status callback
        self.seen_url: str = store.setting("seen_url", "")
        self.created: float = self._setting_or("created", time.time())

    def _setting_or(self, name: str, default: Any) -> Any:
        """Return a stored setting. If there is none, store and return `default`."""
        stored = self._store.setting(name, None)
        if stored is None:
            self._store.set(name, default)
        return default if stored is None else stored

    @property
    def sid(self) -> str:
        return self.credentials.account_sid

    @property
    def number_sid(self) -> str:
        return (
            "PN"
            + hashlib.sha256(f"{self.sid}{self.credentials.phone_number}".encode()).hexdigest()[:32]
        )

    @property
    def suspended(self) -> bool:
        return self.status == "suspended"

    @property
    def trial(self) -> bool:
        return self.type == "Trial"

    @property
    def key(self) -> Key:
        """Return the key that signs callbacks: the SharedKey if chosen, or the Auth Token."""
        return self.shared_key if self.signing == "SharedKey" else Key(self.credentials.auth_token)

    def accepts_credentials(self, user: str, password: str) -> bool:
        """Return whether a user name and password sign in.

        Both tokens of the account are accepted, and the API key with its secret.
        """
        pairs = (
            (self.credentials.account_sid, self.credentials.auth_token),
            *(((self.credentials.account_sid, self.secondary),) if self.secondary else ()),
            (self.credentials.api_key_sid, self.credentials.api_key_secret),
        )
        return any(_same(user, sid) and _same(password, secret) for sid, secret in pairs)

    def switch(self, **values: str | None) -> None:
        """Change the account's type, status, signing or dialect. None leaves a value unchanged.

        Raises ValueError, with the allowed values, for any other value.
        """
        changes = {name: value for name, value in values.items() if value is not None}
        for name, value in changes.items():
            if value not in CHOICES[name]:
                raise ValueError(
                    f"The account's {name} is {' or '.join(CHOICES[name])}, not {quoted(value)}."
                )
        for name, value in changes.items():
            setattr(self, name, value)
            self._store.set(name, value)

    def set_sms_url(self, url: str) -> None:
        self.sms_url = url
        self._store.set("sms_url", url)

    def set_voice_urls(self, url: str | None, callback: str | None) -> None:
        """Set what answers calls to the number, and their status callback; None keeps one."""
        for name, value in (("voice_url", url), ("voice_callback", callback)):
            if value is not None:
                setattr(self, name, value)
                self._store.set(name, value)

    def remember_possible_url(self, url: str) -> None:
        """Store an address to which inbound messages could be posted."""
        if url != self.seen_url:
            self.seen_url = url
            self._store.set("seen_url", url)

    def rotate_token(self) -> None:
        """Replace the Auth Token. The new one signs callbacks, the old one no longer signs in."""
        self._set_token(secrets.token_hex(16))

    def create_secondary(self) -> None:
        """Create a second Auth Token. It signs in, and signs no callbacks until it is promoted."""
        self._set_secondary(secrets.token_hex(16))

    def promote_secondary(self) -> None:
        """Make the second Auth Token the only one. Raises ValueError if there is none."""
        if not self.secondary:
            raise ValueError("There is no secondary token to promote. Create one first.")
        self._set_token(self.secondary)
        self._set_secondary("")

    def _set_token(self, token: str) -> None:
        self.credentials = replace(self.credentials, auth_token=token)
        data_dir.write_private(self._file, json.dumps(asdict(self.credentials), indent=1))

    def _set_secondary(self, token: str) -> None:
        self.secondary = token
        self._store.set("secondary", token)


def _same(candidate: str, expected: str) -> bool:
    return hmac.compare_digest(candidate.encode(), expected.encode())
