"""The provider and the way to it: slow, hanging up, refusing, failing; a certificate that does not
fit, a name that does not resolve.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.chaos import proxy
from tests.chaos.setting import Setting


def troubled(trouble: proxy.Trouble) -> Callable[[Setting, float], None]:
    """Return the fault of a provider that misbehaves for the time given."""

    def strike(setting: Setting, seconds: float) -> None:
        assert setting.proxy is not None
        setting.proxy.trouble = trouble
        setting.hub.pass_time(seconds)
        setting.proxy.trouble = proxy.passes

    strike.__doc__ = trouble.__doc__
    return strike


def certificate_wrong(setting: Setting, seconds: float) -> None:
    """Let the provider show a certificate that nobody the hub trusts has signed."""
    assert setting.proxy is not None
    assert setting.proxy.tls is not None
    assert setting.certificates is not None
    _, trusted, strange = setting.certificates
    setting.proxy.tls.load_cert_chain(strange)
    setting.proxy.cut()
    setting.hub.pass_time(seconds)
    setting.proxy.tls.load_cert_chain(trusted)


def name_gone(setting: Setting, seconds: float) -> None:
    """Restart the workers with an address of the provider's whose name does not resolve, then with
    the right one.

    .invalid never resolves: RFC 6761. To take a name away from a process that runs would need the
    machine's own resolver.
    """
    setting.hub.stop("worker")
    setting.hub.start("worker", HUB_TWILIO_API_URL="https://provider.invalid")
    setting.hub.pass_time(seconds)
    setting.hub.stop("worker")
    setting.hub.start("worker")
