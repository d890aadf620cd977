"""The one workspace of the simulated Slack: its team, the app in it, its channels and people.

Credentials are made up from the simulator's, so that the demo's connections can make up the same.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from hub.core.data_dir import SimulatorCredentials
from hub.simulator.record_store import Shelf
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
    """A place to post to: a channel, or the direct messages with one person."""

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
    """The workspace's people and channels; a person asked for by e-mail address exists from then
    on.
    """

    team_name = "Acme"
    domain = "acme"
    bot_name = "Signpost"

    def __init__(self, credentials: SimulatorCredentials, shelf: Shelf, hub_url: str) -> None:
        made_up = credentials.made_up
        self._shelf = shelf
        self._hub_url = hub_url
        self.team = "T" + made_up("slack team", 10).upper()
        self.app = "A" + made_up("slack app", 10).upper()
        self.bot = "B" + made_up("slack bot", 10).upper()
        self.bot_user = "U" + made_up("slack bot user", 10).upper()
        self.signing_secret = made_up("slack signing secret", 32)
        self.verification_token = made_up("slack verification token", 24)
        self.bot_token = "xoxb-" + made_up("slack bot token", 40)
        self.webhook = "B" + made_up("slack webhook", 10).upper()
        self.webhook_secret = made_up("slack webhook secret", 24)
        self.channel = Channel("C" + made_up("slack channel", 10).upper(), "signing")

    @property
    def webhook_url(self) -> str:
        return f"https://hooks.slack.com/services/{self.team}/{self.webhook}/{self.webhook_secret}"

    @property
    def request_url(self) -> str:
        """Return the address to which button presses are posted: set in the app's settings, else
        the hub's.
        """
        kept = self._shelf.get("slack app", "request_url") or {}
        return kept.get("url") or self._hub_url.rstrip("/") + DEFAULT_PATH

    def take_presses_at(self, url: str) -> None:
        self._shelf.put("slack app", "request_url", {"url": url})

    def named(self, name: str) -> Person:
        """Return the person of this name, who is here from now on."""
        return self._keep(name, f"{'.'.join(name.lower().split())}@acme.example")

    def with_email(self, email: str) -> Person:
        """Return the person of this e-mail address, who is here from now on and is called as the
        address says.
        """
        known = next((one for one in self._people() if one["email"] == email), None)
        return known or self._keep(
            " ".join(re.split(r"[._+-]+", email.partition("@")[0])).title(), email
        )

    def with_id(self, user: str) -> Person | None:
        return self._shelf.get("slack person", user) or next(
            (one for one in self._people() if one["id"] == user), None
        )

    def direct(self, person: Person) -> Channel:
        """Return the direct messages between the bot and a person."""
        return Channel("D" + person["id"][1:], person["name"], person["email"])

    def find(self, address: str) -> Channel | None:
        """Return the channel of an id or a name, and for a person's id the direct messages; None:
        there is none.
        """
        if address in (self.channel.id, self.channel.name, f"#{self.channel.name}"):
            return self.channel
        person = self.with_id("U" + address[1:]) if address[:1] in ("U", "D") else None
        return self.direct(person) if person else None

    def _people(self) -> list[Person]:
        kept = self._shelf.all("slack person").values()
        return [
            self._made(name, f"{'.'.join(name.lower().split())}@acme.example") for name in PEOPLE
        ] + list(kept)

    def _keep(self, name: str, email: str) -> Person:
        person = self._made(name, email)
        if name not in PEOPLE and not self._shelf.get("slack person", person["id"]):
            self._shelf.put("slack person", person["id"], dict(person))
        return person

    def _made(self, name: str, email: str) -> Person:
        user = "U" + hashlib.sha256(f"{self.team}{email}".encode()).hexdigest()[:10].upper()
        return {"id": user, "name": name, "email": email, "username": email.partition("@")[0]}
