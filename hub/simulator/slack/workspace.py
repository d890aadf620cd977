"""The one workspace of the simulated Slack: its team, its app, its channels and its people.

Credentials are derived from the simulator's, so that the demo's connections can derive the same.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from hub.core.data_dir import SimulatorCredentials
from hub.simulator.record_store import RecordStore
from hub.simulator.sample_people import PEOPLE

DEFAULT_PATH = "/api/rpc/webhooks/slack/interactions"
SCOPES = (
    "channels:read",
    "chat:write",
    "chat:write.public",
    "im:write",
    "incoming-webhook",
    "users:read",
    "users:read.email",
)
ID = re.compile(r"[CDGU][A-Z0-9]{8,}")
Person = dict[str, str]


@dataclass(frozen=True)
class Channel:
    """A channel, or the direct messages with one person."""

    id: str
    name: str
    email: str = ""  # of the person, for direct messages

    @property
    def direct(self) -> bool:
        return self.id.startswith("D")

    @property
    def title(self) -> str:
        return self.name if self.direct else f"#{self.name}"


class Workspace:
    """The workspace's people and channels. A requested person is created if needed."""

    team_name = "Acme"
    domain = "acme"
    bot_name = "Signpost"

    def __init__(
        self, credentials: SimulatorCredentials, records: RecordStore, hub_url: str
    ) -> None:
        derive = credentials.derive
        self._records = records
        self._hub_url = hub_url
        self.team = "T" + derive("slack team", 10).upper()
        self.app = "A" + derive("slack app", 10).upper()
        self.bot = "B" + derive("slack bot", 10).upper()
        self.bot_user = "U" + derive("slack bot user", 10).upper()
        self.signing_secret = derive("slack signing secret", 32)
        self.verification_token = derive("slack verification token", 24)
        self.bot_token = "xoxb-" + derive("slack bot token", 40)
        self.webhook = "B" + derive("slack webhook", 10).upper()
        self.webhook_secret = derive("slack webhook secret", 24)
        self.channel = Channel("C" + derive("slack channel", 10).upper(), "signing")

    @property
    def webhook_url(self) -> str:
        return f"https://hooks.slack.com/services/{self.team}/{self.webhook}/{self.webhook_secret}"

    @property
    def request_url(self) -> str:
        """Return the address for button actions: the app's setting, or the hub's default."""
        stored = self._records.get("slack app", "request_url") or {}
        return stored.get("url") or self._hub_url.rstrip("/") + DEFAULT_PATH

    def set_request_url(self, url: str) -> None:
        self._records.put("slack app", "request_url", {"url": url})

    def person_named(self, name: str) -> Person:
        """Return the person with this name, creating them if needed."""
        return self._create_person(name, f"{'.'.join(name.lower().split())}@acme.example")

    def with_email(self, email: str) -> Person:
        """Return the person with this email address, creating them if needed."""
        person = next(
            (candidate for candidate in self._people() if candidate["email"] == email), None
        )
        return person or self._create_person(
            " ".join(re.split(r"[._+-]+", email.partition("@")[0])).title(), email
        )

    def with_id(self, user: str) -> Person | None:
        return self._records.get("slack person", user) or next(
            (person for person in self._people() if person["id"] == user), None
        )

    def direct(self, person: Person) -> Channel:
        """Return the direct messages between the bot and a person."""
        return Channel("D" + person["id"][1:], person["name"], person["email"])

    def find(self, address: str) -> Channel | None:
        """Return a channel by ID or name, or the direct messages of a user ID, or None if there is
        none.
        """
        if address in (self.channel.id, self.channel.name, f"#{self.channel.name}"):
            return self.channel
        person = self.with_id("U" + address[1:]) if address[:1] in ("U", "D") else None
        return self.direct(person) if person else None

    def _people(self) -> list[Person]:
        stored = self._records.all("slack person").values()
        return [
            self._person(name, f"{'.'.join(name.lower().split())}@acme.example") for name in PEOPLE
        ] + list(stored)

    def _create_person(self, name: str, email: str) -> Person:
        person = self._person(name, email)
        if name not in PEOPLE and not self._records.get("slack person", person["id"]):
            self._records.put("slack person", person["id"], dict(person))
        return person

    def _person(self, name: str, email: str) -> Person:
        user = "U" + hashlib.sha256(f"{self.team}{email}".encode()).hexdigest()[:10].upper()
        return {"id": user, "name": name, "email": email, "username": email.partition("@")[0]}
