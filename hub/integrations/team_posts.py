"""The part of the contract for integrations that post to one channel of a team."""

from __future__ import annotations

from typing import ClassVar

from hub.core.vocabulary import Address, Channel
from hub.integrations.base import Integration
from hub.integrations.values import Accepted, CheckResult, Outbound
from hub.lib.provider_http import ProviderResponse

TEST_TEXT = "This is a test message from Signpost."


class TeamPosts(Integration):
    """An integration that posts to the channel in its `destination_setting`.

    `send` posts what `render` returns to `post_path`, as JSON. Nothing is reported after a post,
    and the test of a connection posts a visible message. Override `check` if the provider offers a
    harmless call.
    """

    post_path: ClassVar[str] = ""

    channel = Channel.CHAT
    address = Address.CHAT
    summary = "Posts in a team’s channel, with links to documents and actions."
    reach = "One channel"
    reports = False
    reliable_statuses = frozenset()
    checks_visibly = True
    buttons = "Links"

    def send(self, message: Outbound) -> Accepted:
        return self.accepted(self.request("POST", self.post_path, content=self.render(message)))

    def accepted(self, response: ProviderResponse) -> Accepted:
        """Return the result of an accepted post, with the ID in the field `id` of the response."""
        return Accepted(self.require_id(response.json), self.accepted_status)

    def check(self) -> CheckResult:
        destination = self.destination_of(self.settings)
        self.send(Outbound(id="", attempt=1, to=destination, text=TEST_TEXT))
        return CheckResult(
            True, f"{self.provider} accepted a test message.", "Look for it in the channel."
        )
