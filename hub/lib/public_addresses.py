"""Decide which IP addresses are on the public internet."""

from __future__ import annotations

import ipaddress

# global by their numbers, but private in fact: the WireServer of Azure, which serves secrets to
# virtual machines, the addresses of protocols, at which Oracle's cloud does the same (not private
# before Python 3.12.4), and the prefix that a network uses for its own translation (RFC 8215)
PRIVATE_IN_FACT = (
    ipaddress.ip_network("168.63.129.16/32"),
    ipaddress.ip_network("192.0.0.0/24"),
    ipaddress.ip_network("64:ff9b:1::/48"),
)


def is_public(address: str) -> bool:
    """Return whether an IP address is on the public internet.

    It also checks the IPv4 address in IPv4-mapped, 6to4, Teredo and NAT64 forms.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if any(ip in network for network in PRIVATE_IN_FACT):
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        embedded = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if embedded is None and ip in ipaddress.ip_network("64:ff9b::/96"):
            embedded = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if embedded is not None:
            return is_public(str(embedded))
        # obsolete forms, some of which contain an IPv4 address
        if ip.is_reserved or ip.is_site_local:
            return False
    return ip.is_global and not ip.is_multicast
