"""Which web pages may listen to the face.

A browser lets any page open a WebSocket to this machine; nothing but the server's own check keeps a site that the user
happens to visit from reading the face. Browsers say honestly which page asks (RFC 6455, section 10.2); programs
that are no browsers say nothing, and could say anything.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from driver.sinks.listen import is_loopback


def may_listen(origin: str | None, host: str | None, allowed: Sequence[str]) -> bool:
    """True for programs (no `origin`), pages of this machine, the server's own page, and the origins in `allowed`.

    origin  the request's Origin header, such as "https://studio.example"; "null" for files and sandboxed frames
    host    its Host header. A page counts as the server's own only under a number: a *name* may be pointed at this
            machine by whoever owns it (DNS rebinding).
    """
    if origin is None or origin in allowed:
        return True
    try:
        page = urlsplit(origin)
        name = page.hostname
    except ValueError:
        return False
    if page.scheme not in ("http", "https") or name is None:
        return False
    return is_loopback(name) or (page.netloc == host and _is_number(name))


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
