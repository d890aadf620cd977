"""Workflows of the simulated Teams that fail on purpose. Codes are those of Logic Apps."""

from __future__ import annotations

from dataclasses import dataclass

from hub.simulator.fault import Fault


@dataclass(frozen=True)
class Workflow(Fault):
    """A workflow that fails on purpose."""

    run_error: str = ""  # reason why the run fails after the message was accepted

    @property
    def answer(self) -> str:
        return f"{self.status}, but not posted" if self.run_error else super().answer

    @property
    def accepts(self) -> bool:
        return bool(self.run_error) or super().accepts


WORKFLOWS = (
    Workflow(f"{4001:032}", "TriggerInputSchemaMismatch", "Trigger expects another message", 400),
    Workflow(f"{4002:032}", "InvalidJson", "Trigger cannot read the message", 400),
    Workflow(f"{4003:032}", "WorkflowTriggerIsNotEnabled", "Flow was turned off", 400),
    Workflow(
        f"{4010:032}",
        "DirectApiAuthorizationRequired",
        "Signature is invalid or expired",
        401,
    ),
    Workflow(
        f"{4030:032}", "DirectApiAuthorizationRequired", "Not everyone can trigger the flow", 403
    ),
    Workflow(f"{4040:032}", "WorkflowNotFound", "Flow was deleted", 404),
    Workflow(
        f"{4090:032}",
        "WorkflowTriggerIsNotEnabled",
        "Flow was turned off, with the other status",
        409,
    ),
    Workflow(f"{4100:032}", "WorkflowNotFound", "Flow was deleted permanently", 410),
    Workflow(f"{4130:032}", "RequestEntityTooLarge", "Message is too large", 413),
    Workflow(f"{4290:032}", "TooManyRequests", "Rate limited, Retry-After 1", 429, fails_once=True),
    Workflow(f"{5020:032}", "BadGateway", "Power Automate is unavailable", 502, fails_once=True),
    Workflow(
        f"{5030:032}", "ServiceUnavailable", "Power Automate is unavailable", 503, fails_once=True
    ),
    Workflow(
        f"{5040:032}", "GatewayTimeout", "Power Automate is unavailable", 504, fails_once=True
    ),
    Workflow(f"{2000:032}", "", "Returns 200, as some flows do", 200, breaks=True),
    Workflow(
        f"{2020:032}",
        "",
        "Accepts the message and fails afterwards",
        202,
        run_error="The bot is not part of the conversation roster.",
    ),
    Workflow(
        f"{5000:032}", "InternalServerError", "Error after accepting the message", 500, breaks=True
    ),
    Workflow(f"{5041:032}", "", "No response", hangs=60),
)
