"""The settings. Each is declared once, as a field of `Config`, with its variable and its default.

A setting may also be given as `<NAME>_FILE`, the path of a file that contains it. `load()` reads
all settings and reports all invalid ones together.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from hub.core import data_dir as data_folder
from hub.core.bind_address import Bind, is_loopback
from hub.core.errors import ConfigError
from hub.core.setting_declarations import Setting, setting
from hub.core.setting_parsers import (
    Keys,
    parse_bind,
    parse_count,
    parse_database_url,
    parse_file,
    parse_handler_seconds,
    parse_hosts,
    parse_keys,
    parse_link_url,
    parse_locale,
    parse_log_level,
    parse_megabytes,
    parse_positive,
    parse_public_url,
    parse_redis_url,
    parse_secret_key,
    parse_switch,
)

MAX_BODY_SIZE = 256 * 1024  # bytes of a request
API_URL = re.compile(r"HUB_([A-Z0-9]+)_API_URL")
Verify = Callable[[Path, str, Keys | None], None]


@dataclass(frozen=True, kw_only=True)
class Config:
    """The validated settings."""

    data_dir: Path = setting(
        "HUB_DATA_DIR", "data", "Folder for the SQLite database, the keys and the queue.", Path
    )
    database_url: str = setting(
        "HUB_DATABASE_URL",
        "",
        "SQLAlchemy URL of the database. Default: SQLite in the data folder.",
        parse_database_url,
    )
    redis_url: str = setting(
        "HUB_REDIS_URL",
        "",
        "URL of a Redis or Valkey server. Default: a private server that `hub up` starts.",
        parse_redis_url,
    )
    bind: Bind = setting(
        "HUB_BIND", "127.0.0.1:8000", "Address that the web server listens on.", parse_bind
    )
    public_url: str = setting(
        "HUB_PUBLIC_URL",
        "",
        "Public URL of Signpost, with its path prefix if it has one. Default: the bind address.",
        parse_public_url,
    )
    own_link_url: str | None = setting(
        "HUB_LINK_URL",
        "",
        "Domain of short links, as a URL such as `https://go.example.com`. Default: the public"
        " URL.",
        parse_link_url,
    )
    secret_key: str = setting(
        "HUB_SECRET_KEY",
        "",
        "Secret that signs cookies. Default: generated once in the data folder.",
        parse_secret_key,
        secret=True,
    )
    encryption_keys: Keys = setting(
        "HUB_ENCRYPTION_KEYS",
        "",
        "Encryption keys of 32 bytes as `id:base64`, newest first. Default: generated"
        " once in the data folder.",
        parse_keys,
        secret=True,
    )
    demo: bool = setting(
        "HUB_DEMO",
        "0",
        "1 turns on the demo: test connections use the simulator, and a sample request is sent.",
        parse_switch,
    )
    simulator_bind: Bind = setting(
        "HUB_SIMULATOR_BIND", "127.0.0.1:8001", "Address that the simulator listens on.", parse_bind
    )
    simulator_mail_bind: Bind = setting(
        "HUB_SIMULATOR_MAIL_BIND",
        "127.0.0.1:8025",
        "Address that the simulator's mail server listens on.",
        parse_bind,
    )
    ca_file: Path | None = setting(
        "HUB_CA_FILE",
        "",
        "CA bundle file for outgoing requests and mail servers. Default: the built-in bundle.",
        parse_file,
    )
    trusted_proxies: int = setting(
        "HUB_TRUSTED_PROXIES",
        "0",
        "Number of reverse proxies in front of Signpost that append to X-Forwarded-For.",
        parse_count,
    )
    http_allow: frozenset[str] = setting(
        "HUB_HTTP_ALLOW",
        "",
        "Private or plain-HTTP addresses that outgoing requests may reach, as host:port.",
        parse_hosts,
        empty=frozenset(),
    )
    locale: str = setting(
        "HUB_LOCALE",
        "en",
        "Language of messages if the recipient's language is unknown or has no text.",
        parse_locale,
    )
    media_image_limit: int = setting(  # bytes
        "HUB_MEDIA_IMAGE_MB",
        "5",
        "Largest image that can be attached to a message, in MB.",
        parse_megabytes,
    )
    media_limit: int = setting(  # bytes
        "HUB_MEDIA_MB", "16", "Largest other file that can be attached, in MB.", parse_megabytes
    )
    media_days: int = setting(
        "HUB_MEDIA_DAYS",
        "7",
        "Days before files uploaded with POST /api/v1/media are deleted.",
        parse_positive,
    )
    body_days: int = setting(
        "HUB_BODY_DAYS", "30", "Days before the texts of messages are deleted.", parse_positive
    )
    metadata_days: int = setting(
        "HUB_METADATA_DAYS",
        "365",
        "Days before messages, their recipients and their results are deleted.",
        parse_positive,
    )
    evidence_days: int = setting(
        "HUB_EVIDENCE_DAYS",
        "3650",
        "Days after the last event of a request before its evidence is deleted.",
        parse_positive,
    )
    receipt_days: int = setting(
        "HUB_RECEIPT_DAYS",
        "30",
        "Days before stored webhooks of providers, and webhooks to apps, are deleted.",
        parse_positive,
    )
    web_workers: int = setting(
        "HUB_WEB_WORKERS", "2", "Number of web server processes.", parse_positive
    )
    web_threads: int = setting(
        "HUB_WEB_THREADS", "12", "Number of threads in each web server process.", parse_positive
    )
    api_per_minute: int = setting(
        "HUB_API_PER_MINUTE",
        "60000",
        "API requests per minute for a key without its own limit.",
        parse_positive,
    )
    handlers: Path | None = setting(
        "HUB_HANDLERS",
        "",
        "Python file with handlers, which run when something happens. Default: only those of"
        " installed packages.",
        Path,
    )
    handler_seconds: int = setting(
        "HUB_HANDLER_SECONDS",
        "30",
        "Seconds after which a call of a handler is stopped, at most 60.",
        parse_handler_seconds,
    )
    handler_memory: int = setting(  # bytes
        "HUB_HANDLER_MB",
        "256",
        "Memory in MB above which the process of a handler is stopped.",
        parse_megabytes,
    )
    log_level: str = setting(
        "HUB_LOG_LEVEL", "INFO", "Level of the log: DEBUG, INFO, WARNING or ERROR.", parse_log_level
    )
    twilio_webhook_auth_token: str = setting(
        "TWILIO_WEBHOOK_AUTH_TOKEN",
        "",
        "Auth Token that verifies Twilio callbacks of accounts without a connection. A"
        " STOP in such a callback applies to the whole channel.",
        secret=True,
        empty="",
    )
    # from every HUB_<API>_API_URL: URLs by the API's name in lower case
    api_urls: Mapping[str, str]
    embedded_queue: bool  # whether `hub up` starts its own queue server

    @property
    def simulator_url(self) -> str:
        return f"http://{self.simulator_bind}"

    def simulated_url(self, scheme: str) -> str:
        """Return the simulator's address in place of a provider's address with this scheme."""
        if scheme in ("http", "https"):
            return self.simulator_url
        return f"{scheme}://{self.simulator_mail_bind}"

    @property
    def https(self) -> bool:
        return self.public_url.startswith("https:")

    @property
    def path_prefix(self) -> str:
        return urlsplit(self.public_url).path

    @cached_property
    def hosts(self) -> frozenset[str]:
        """Values of the Host header that name this hub, in lower case."""
        names = _host_headers(self.public_url)
        if self.bind.loopback:
            names |= {f"{name}:{self.bind.port}" for name in ("127.0.0.1", "localhost", "[::1]")}
        return frozenset(names)

    @property
    def link_url(self) -> str:
        """The URL that short links begin with."""
        return self.own_link_url or self.public_url

    @cached_property
    def link_hosts(self) -> frozenset[str]:
        """Values of the Host header that name only the domain of short links."""
        return _host_headers(self.link_url) - self.hosts

    @property
    def sqlite(self) -> bool:
        return self.database_url.startswith("sqlite:")


def _host_headers(url: str) -> frozenset[str]:
    parts = urlsplit(url)
    netloc = parts.netloc.lower()
    return frozenset({netloc, netloc.removesuffix(":443" if parts.scheme == "https" else ":80")})


DECLARED: Mapping[str, Setting] = {
    declaration.name: declaration.metadata["setting"]
    for declaration in fields(Config)
    if "setting" in declaration.metadata
}
SETTINGS = tuple(DECLARED.values())


def load(environ: Mapping[str, str] | None = None, verify: Verify | None = None) -> Config:
    """Read the settings from the environment. Raises ConfigError that lists all errors, one per
    line.

    It creates the data folder and its keys if they are needed and missing. Before that, it calls
    `verify` with the data folder, the database URL and the encryption keys, if there are any. If
    `verify` raises ConfigError, nothing is written.
    """
    environ = os.environ if environ is None else environ
    errors: dict[str, str] = {}  # by the variable's name
    values = _read_settings(environ, errors)
    values["api_urls"] = _read_api_urls(environ, errors)
    missing = {name for name in DECLARED if values[name] is None}
    _derive_defaults(values)
    _check_combinations(values, missing, errors)
    if errors:
        lines = [f"{name}: {error}" for name, error in errors.items()]
        raise ConfigError("\n  ".join(["Signpost cannot start. Fix these settings:", *lines]))
    _prepare_data_folder(values, verify)
    return Config(**values)


def _read_settings(environ: Mapping[str, str], errors: dict[str, str]) -> dict[str, Any]:
    """Return the value of each setting by the name of its field."""
    values: dict[str, Any] = {}
    for name, declared in DECLARED.items():
        try:
            text = _read_text(environ, declared)
            values[name] = declared.parse(text) if text else declared.empty
        except (OSError, ValueError) as error:
            errors[declared.name] = str(error)
            # continue with the default, to find other errors
            default = declared.default
            values[name] = declared.parse(default) if default else declared.empty
    return values


def _read_text(environ: Mapping[str, str], declared: Setting) -> str:
    path = environ.get(declared.name + "_FILE")
    if path and environ.get(declared.name):
        raise ValueError(f"is set twice. Remove it or {declared.name}_FILE")
    if not path:
        return environ.get(declared.name, "").strip() or declared.default
    try:
        text = Path(path).read_text().strip()
    except UnicodeDecodeError:
        raise ValueError(f"the file {path} is not a text file") from None
    if declared.secret and not text:
        # an empty file means a failed mount or script, which a generated key would hide
        raise ValueError(
            f"the file {path} is empty. Write the secret into it, or remove {declared.name}_FILE"
        )
    return text or declared.default


def _read_api_urls(environ: Mapping[str, str], errors: dict[str, str]) -> Mapping[str, str]:
    urls = {}
    for name, url in environ.items():
        if url and (match := API_URL.fullmatch(name)):
            if urlsplit(url).scheme not in ("http", "https"):
                errors[name] = "use a URL such as https://api.example.com"
            urls[match[1].lower()] = url.rstrip("/")
    return MappingProxyType(urls)


def _derive_defaults(values: dict[str, Any]) -> None:
    """Derive missing addresses from the data folder and the bind address."""
    folder: Path = values["data_dir"].expanduser().resolve()
    values["data_dir"] = folder
    values["embedded_queue"] = values["redis_url"] is None
    values["redis_url"] = values["redis_url"] or f"unix://{data_folder.socket_path(folder)}"
    values["database_url"] = values["database_url"] or f"sqlite:///{folder / 'hub.db'}"
    if values["public_url"] is None:
        bind: Bind = values["bind"]
        every_interface = bind.host in ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
        host = "127.0.0.1" if every_interface else bind.host
        values["public_url"] = f"http://{Bind(host, bind.port)}"


def _check_combinations(
    values: Mapping[str, Any], missing: set[str], errors: dict[str, str]
) -> None:
    """Report settings that contradict each other. An earlier error of a setting is kept."""
    public_host = urlsplit(values["public_url"]).hostname or ""
    if "public_url" in missing and not is_loopback(public_host):
        errors.setdefault(
            "HUB_PUBLIC_URL",
            "is required if HUB_BIND is not only this machine. Use an https URL",
        )
    if values["demo"] and not (values["bind"].loopback and is_loopback(public_host)):
        errors.setdefault(
            "HUB_DEMO",
            "the demo runs on this machine only. Set HUB_BIND and HUB_PUBLIC_URL to"
            " 127.0.0.1, or set HUB_DEMO=0",
        )
    # Otherwise each machine with a shared database would generate its own keys, and could not
    # decrypt the data of the others.
    for name in sorted({"secret_key", "encryption_keys"} & missing, reverse=True):
        if not values["database_url"].startswith("sqlite:"):
            errors.setdefault(
                DECLARED[name].name,
                "is required with your own database, and must be the same on every"
                " machine. For example, copy the one from the data folder of your first machine",
            )


def _prepare_data_folder(values: dict[str, Any], verify: Verify | None) -> None:
    """Check the data folder, then create it and its keys if they are missing."""
    folder: Path = values["data_dir"]
    data_folder.verify(folder)
    secret_key = values["secret_key"] or data_folder.read_existing(
        folder / data_folder.SECRET_KEY, parse_secret_key
    )
    encryption_keys = values["encryption_keys"] or data_folder.read_existing(
        folder / data_folder.ENCRYPTION_KEYS, parse_keys
    )
    if verify:
        verify(folder, values["database_url"], encryption_keys)
    data_folder.create(folder)
    values["secret_key"] = secret_key or data_folder.secret_key(folder)
    values["encryption_keys"] = encryption_keys or parse_keys(data_folder.encryption_keys(folder))
