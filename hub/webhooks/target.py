"""Reconstruct the URLs that a provider may have signed, from the WSGI environment.

Signatures cover the address as the provider wrote it. Some servers keep the raw request target in
`RAW_URI` or `REQUEST_URI`, which PEP 3333 does not define. Others report the decoded path only, and
several spellings decode to the same path. Each of them names the same route and the same query, so
the signature may decide which one was called.

Three cases cannot be recovered from a decoded path: unnecessarily escaped letters such as `%73ms`,
escaped slashes between segments, and paths that mix two escaping styles. Signpost gives providers
no such URL.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any
from urllib.parse import quote

SLASH = "/"
# characters that RFC 3986 allows unescaped in a path; some clients escape all except letters and
# digits
ALLOWED_IN_PATH = "/:@!$&'()*+,;=-._~"


def candidate_urls(environ: Mapping[str, Any], public_url: str, prefix: str) -> tuple[str, ...]:
    """Return the URLs that the provider may have called, most likely first.

    There is only one if the server keeps the raw target. `public_url` is the setting, whose path is
    `prefix`. No header changes the result.
    """
    raw = _raw_target(environ)
    targets = (raw,) if raw else tuple(dict.fromkeys(_rebuild_targets(environ, prefix)))
    return tuple(public_url + _strip_prefix(target, prefix) for target in targets)


def _raw_target(environ: Mapping[str, Any]) -> str:
    """Return the raw target without scheme and host, or "" where the server does not keep it."""
    target = str(
        environ.get("RAW_URI") or environ.get("REQUEST_URI") or environ.get("RAW_PATH_INFO") or ""
    )
    query = environ.get("QUERY_STRING", "")
    if query and "?" not in target and target:  # some servers omit the query
        target += f"?{query}"
    scheme, separator, rest = target.partition("://")
    if separator and SLASH not in scheme and "?" not in scheme:  # absolute form, sent by a proxy
        return rest[len(_authority(rest)) :]
    return target


def _authority(target: str) -> str:
    return target.partition("?")[0].partition(SLASH)[0]


def _strip_prefix(target: str, prefix: str) -> str:
    return target[len(prefix) :] if prefix and target.startswith(prefix + SLASH) else target


def _rebuild_targets(environ: Mapping[str, Any], prefix: str) -> Iterator[str]:
    """Yield the targets that decode to the path and query of a request."""
    path = _wsgi_bytes(environ.get("PATH_INFO", ""))
    script_name = _wsgi_bytes(environ.get("SCRIPT_NAME", ""))
    # SCRIPT_NAME repeats the configured prefix; without a prefix, the server may have mounted the
    # application
    prefixes = (b"",) if prefix or not script_name else (script_name, b"")
    query = environ.get("QUERY_STRING", "")
    suffixes = (f"?{query}",) if query else ("", "?")
    for head, tail in product(prefixes, suffixes):
        for encoded_path in _possible_encodings(head + path):
            yield encoded_path + tail


def _possible_encodings(path: bytes) -> Iterator[str]:
    """Yield the path with RFC 3986 escaping, then with full escaping, each with upper- and
    lowercase hex.
    """
    trimmed_path = path.rstrip(b"/")
    trailing_slashes = path[len(path.rstrip(b"/")) :]
    for safe in (ALLOWED_IN_PATH, SLASH):
        encoded_path = quote(trimmed_path, safe=safe)
        for suffix in (trailing_slashes.decode(), "%2F" * len(trailing_slashes)):
            yield encoded_path + suffix
            yield _lowercase_escapes(encoded_path) + _lowercase_escapes(suffix)


def _lowercase_escapes(encoded: str) -> str:
    """Return a path with lowercase percent-escapes."""
    first, *escaped = encoded.split("%")
    return first + "".join(f"%{part[:2].lower()}{part[2:]}" for part in escaped)


def _wsgi_bytes(text: str) -> bytes:
    """Return the bytes of a WSGI string: latin-1, or UTF-8 from non-conforming servers."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode(errors="surrogatepass")
