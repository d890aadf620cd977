"""Faults of the provider and the network: slow, broken, refused and failed calls, TLS and DNS."""

from __future__ import annotations

from collections.abc import Callable

from tests.chaos import proxy
from tests.chaos.fault_context import FaultContext


def with_provider_fault(fault: proxy.ProviderFault) -> Callable[[FaultContext, float], None]:
    """Return the fault of a provider that misbehaves for this time."""

    def inject(context: FaultContext, seconds: float) -> None:
        assert context.proxy is not None
        context.proxy.fault = fault
        context.hub.run_for(seconds)
        context.proxy.fault = proxy.forward_unchanged

    inject.__doc__ = fault.__doc__
    return inject


def present_untrusted_certificate(context: FaultContext, seconds: float) -> None:
    """Present a certificate that the hub does not trust."""
    assert context.proxy is not None
    assert context.proxy.tls is not None
    assert context.certificates is not None
    _, trusted, unknown = context.certificates
    context.proxy.tls.load_cert_chain(unknown)
    context.proxy.close_connections()
    context.hub.run_for(seconds)
    context.proxy.tls.load_cert_chain(trusted)


def break_name_resolution(context: FaultContext, seconds: float) -> None:
    """Use an unresolvable address of the provider for this time.

    .invalid never resolves, according to RFC 6761. Removing a name from a running process would
    need the resolver of the machine.
    """
    context.hub.stop("worker")
    context.hub.start("worker", HUB_TWILIO_API_URL="https://provider.invalid")
    context.hub.run_for(seconds)
    context.hub.stop("worker")
    context.hub.start("worker")
