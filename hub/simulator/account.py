"""The one account of the simulated provider: who may sign in, and what state it is in."""

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
from hub.simulator.signing import DIALECTS, Key
from hub.simulator.store import Store

TYPES = ("Full", "Trial")
STATUSES = ("active", "suspended")
SIGNINGS = ("Auth Token", "SharedKey")
WORDS = {"type": TYPES, "status": STATUSES, "signing": SIGNINGS, "dialect": DIALECTS}
TRIAL_NOTICE = "Sent from your Twilio trial account - "


class Account:
    """Credentials out of the data folder, state out of the store."""

    def __init__(self, folder: Path, store: Store) -> None:
        self._file = folder / "simulator.json"
        self._store = store
        self.credentials = data_dir.simulator_credentials(folder)
        self.type: str = store.setting("type", "Full")
        self.status: str = store.setting("status", "active")
        self.signing: str = store.setting("signing", SIGNINGS[0])
        self.dialect: str = store.setting("dialect", DIALECTS[0])
        # a second Auth Token, during a rotation
        self.secondary: str = store.setting("secondary", "")
        self.shared_key = Key(
            *self._once(
                "shared_key",
                [secrets.token_urlsafe(32), f"webhooks_sharedkey_{secrets.token_hex(16)}"],
            )
        )
        # where the number's inbound messages are posted, once it was set
        self.sms_url: str = store.setting("sms_url", "")
        # where they probably belong, as long as it was not
        self.seen_url: str = store.setting("seen_url", "")
        self.created: float = self._once("created", time.time())

    def _once(self, name: str, value: Any) -> Any:
        """Return what is remembered by this name, after remembering `value` if there is nothing."""
        kept = self._store.setting(name, None)
        if kept is None:
            self._store.set(name, value)
        return value if kept is None else kept

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
        """Return the key that signs callbacks: the SharedKey if that was chosen, else the primary
        Auth Token.
        """
        return self.shared_key if self.signing == "SharedKey" else Key(self.credentials.auth_token)

    def opens(self, user: str, password: str) -> bool:
        """Tell whether this user name and password sign in: the account and one of its tokens, or
        the API key and its secret.
        """
        pairs = (
            (self.credentials.account_sid, self.credentials.auth_token),
            *(((self.credentials.account_sid, self.secondary),) if self.secondary else ()),
            (self.credentials.api_key_sid, self.credentials.api_key_secret),
        )
        return any(_same(user, sid) and _same(password, secret) for sid, secret in pairs)

    def switch(self, **given: str | None) -> None:
        """Change what is given of the account's type, status, signing and dialect; raise ValueError
        with the words there are.
        """
        chosen = {name: value for name, value in given.items() if value is not None}
        for name, value in chosen.items():
            if value not in WORDS[name]:
                raise ValueError(
                    f"The account's {name} is {' or '.join(WORDS[name])}, not {value!r}."
                )
        for name, value in chosen.items():
            setattr(self, name, value)
            self._store.set(name, value)

    def take_messages_at(self, url: str) -> None:
        self.sms_url = url
        self._store.set("sms_url", url)

    def see(self, url: str) -> None:
        """Remember an address that messages could be posted to."""
        if url != self.seen_url:
            self.seen_url = url
            self._store.set("seen_url", url)

    def rotate(self) -> None:
        """Replace the Auth Token; the old one is refused from now on, and callbacks are signed with
        the new.
        """
        self._begin_with(secrets.token_hex(16))

    def make_secondary(self) -> None:
        """Make a second Auth Token: it signs in as well, and signs nothing until it is promoted."""
        self._keep_secondary(secrets.token_hex(16))

    def promote(self) -> None:
        """Make the second Auth Token the first and only one; raise ValueError if there is none."""
        if not self.secondary:
            raise ValueError("There is no secondary token to promote. Create one first.")
        self._begin_with(self.secondary)
        self._keep_secondary("")

    def _begin_with(self, token: str) -> None:
        self.credentials = replace(self.credentials, auth_token=token)
        data_dir.write_private(self._file, json.dumps(asdict(self.credentials), indent=1))

    def _keep_secondary(self, token: str) -> None:
        self.secondary = token
        self._store.set("secondary", token)


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())
