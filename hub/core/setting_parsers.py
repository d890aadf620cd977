"""Parsers of settings. Each takes text and raises ValueError that names a valid value."""

from __future__ import annotations

import base64
import binascii
import re
from pathlib import Path
from urllib.parse import urlsplit

from hub.core.bind_address import Bind, is_loopback
from hub.core.quotes import quoted

Keys = tuple[tuple[str, bytes], ...]  # ID and 32 bytes of each encryption key, newest first

MEGABYTE = 1024 * 1024


def parse_bind(text: str) -> Bind:
    match = re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[^:\s]+):(\d{1,5})", text)
    if not match or not 0 < int(match[2]) < 65536:
        raise ValueError("use HOST:PORT, such as 127.0.0.1:8000")
    return Bind(match[1].strip("[]"), int(match[2]))


def parse_switch(text: str) -> bool:
    lowered = text.lower()
    if lowered in ("1", "true", "yes", "on"):
        return True
    if lowered in ("0", "false", "no", "off", ""):
        return False
    raise ValueError("use 1 or 0")


def parse_count(text: str) -> int:
    if not text.isdecimal():
        raise ValueError("use a whole number")
    return int(text)


def parse_positive(text: str) -> int:
    if not 1 <= (count := parse_count(text)) <= 1_000_000:
        raise ValueError("use a whole number from 1 to 1000000")
    return count


def parse_handler_seconds(text: str) -> int:
    """Read the time limit of a handler, which a worker's job must outlast."""
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= 60):
        raise ValueError("use a whole number from 1 to 60")
    return int(text)


def parse_megabytes(text: str) -> int:
    """Return the number of bytes of a number of megabytes."""
    return parse_positive(text) * MEGABYTE


def parse_file(text: str) -> Path:
    if not Path(text).is_file():
        raise ValueError(f"the file {text} does not exist")
    return Path(text)


def parse_hosts(text: str) -> frozenset[str]:
    entries = frozenset(entry.strip().lower() for entry in text.split(",") if entry.strip())
    for entry in entries:
        if not re.fullmatch(r"(\[[0-9a-f:]+\]|[a-z0-9._-]+):\d{1,5}", entry):
            raise ValueError(f"{quoted(entry)} is not HOST:PORT")
    return entries


def parse_public_url(text: str) -> str:
    url = text.rstrip("/")
    if not re.fullmatch("[!-~]*", url):  # it is part of headers, which contain nothing else
        raise ValueError("write the domain in ASCII, such as xn--bcher-kva.example, without spaces")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("use a URL with its host, such as https://hub.example.com")
    if parts.query or parts.fragment or parts.username or parts.password:
        raise ValueError("remove user, query and fragment")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError(
            "plain http is allowed only for this machine (127.0.0.1). Use an https URL"
        )
    if "_" in parts.hostname:
        raise ValueError("providers reject callback URLs with an underscore in the host name")
    if (parts.path + "/").startswith("/api/"):
        raise ValueError("choose another path: Signpost uses /api itself")
    _ = parts.port  # raises ValueError for an invalid port
    return url


def parse_link_url(text: str) -> str:
    url = parse_public_url(text)
    if urlsplit(url).path:
        raise ValueError("use a domain without a path, such as https://go.example.com")
    return url


def parse_database_url(text: str) -> str:
    if text.startswith(("postgres://", "postgresql://")):  # name the driver, psycopg 3
        return "postgresql+psycopg://" + text.split("://", 1)[1]
    if not text.startswith(("sqlite:///", "postgresql+psycopg://")):
        raise ValueError("use sqlite:///path or postgresql://user@host/name")
    return text


def parse_redis_url(text: str) -> str:
    if not text.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("use redis://host:port/0, rediss://… or unix:///path")
    return text


def parse_log_level(text: str) -> str:
    if text.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise ValueError("use DEBUG, INFO, WARNING or ERROR")
    return text.upper()


def parse_keys(text: str) -> Keys:
    keys = tuple(_parse_key(entry) for entry in re.split(r"[\s,]+", text.strip()))
    if len(dict(keys)) < len(keys):
        raise ValueError("two keys have the same ID")
    return keys


def _parse_key(entry: str) -> tuple[str, bytes]:
    key_id, separator, encoded = entry.partition(":")
    if not separator or not re.fullmatch(r"[A-Za-z0-9_.-]{1,32}", key_id):
        raise ValueError("use id:key pairs, newest first, such as k2:…,k1:…")
    standard_base64 = encoded.translate(str.maketrans("-_", "+/"))
    try:
        key = base64.b64decode(standard_base64 + "=" * (-len(encoded) % 4), validate=True)
    except binascii.Error:
        raise ValueError(f"key {key_id} is not base64") from None
    if len(key) != 32:
        raise ValueError(f"key {key_id} has {len(key)} bytes, but 32 are required")
    return key_id, key


def parse_locale(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*", text):
        raise ValueError("use a language code such as en, de or pt-BR")
    return text


def parse_secret_key(text: str) -> str:
    if len(text) < 32:
        raise ValueError("use at least 32 random characters")
    return text
