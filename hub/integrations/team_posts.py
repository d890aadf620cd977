"""The part of the contract for integrations that post to one channel of a team."""

from __future__ import annotations

from hub.core.vocabulary import Address, Channel
from hub.integrations.base import Integration
from hub.integrations.values import CheckResult, Outbound

TEST_TEXT = "This is a test message from Signpost."


class TeamPosts(Integration):
    """An integration that posts to the channel in its `destination_setting`.

    Nothing is reported after a post, and the test of a connection posts a visible message. Override
    `check` if the provider offers a harmless call.
    """

    channel = Channel.CHAT
    address = Address.CHAT
    reports = False
    checks_visibly = True
    buttons = "Links"

    def check(self) -> CheckResult:
        destination = self.destination_of(self.settings)
        self.send(Outbound(id="", attempt=1, to=destination, text=TEST_TEXT))
        return CheckResult(
            True, f"{self.provider} accepted a test message.", "Look for it in the channel."
        )
