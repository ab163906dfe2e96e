"""IP addresses to one canonical form and their prefix: /24 of IPv4, /48 of IPv6 (what one site is given)."""

from __future__ import annotations

import ipaddress
import re
import socket

_V4 = re.compile(r"(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?::\d{1,5})?")
# global unicast, as the writings with dots and zeros in front are read with more care
_V6_PLAIN = re.compile(r"[23][0-9a-fA-F]{3}:[0-9a-fA-F:]+")
_V4_PLAIN = re.compile(r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(?:\.(?!$)|$)){4}")
_V6_PORT = re.compile(r"\[([^\]]+)\](?::\d{1,5})?")


def canonical_ip(text: str) -> str | None:
    """The address in its shortest form, without port and zone; an IPv4 address mapped into IPv6 is the IPv4 address.
    None where it is no address."""
    if _V4_PLAIN.fullmatch(text) is not None:
        return text
    value = text.strip()
    quad = _V4.fullmatch(value)
    if quad is not None and value.isascii():
        octets = [int(octet) for octet in quad.groups()]
        if max(octets) > 255:
            return None
        return f"{octets[0]}.{octets[1]}.{octets[2]}.{octets[3]}"
    bracketed = _V6_PORT.fullmatch(value)
    if bracketed is not None:
        value = bracketed.group(1)
    value = value.partition("%")[0]
    if "." not in value and _V6_PLAIN.fullmatch(value) is not None:
        # the system's own reader and writer give the same text, twenty times faster
        try:
            return socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, value))
        except OSError:
            return None
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)


def ip_prefix(canonical: str) -> str:
    """`10.1.2.0/24` or `2001:db8:1::/48` of a canonical address. Raises ValueError for anything else."""
    if ":" not in canonical:
        head, dot, _ = canonical.rpartition(".")
        if not dot:
            raise ValueError(f"{canonical!r} is not a canonical IP address: pass the result of canonical_ip")
        return f"{head}.0/24"
    try:
        site = socket.inet_pton(socket.AF_INET6, canonical)[:6]
    except OSError:
        raise ValueError(f"{canonical!r} is not a canonical IP address: pass the result of canonical_ip") from None
    return f"{socket.inet_ntop(socket.AF_INET6, site + bytes(10))}/48"
