"""Every setting: its variable, default and meaning.

Each may also be given as `<NAME>_FILE`, a file that holds it.

`load()` reads them all and refuses a bad one, listing everything that is wrong at once.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from hub.core import data_dir as data_folder
from hub.core.errors import ConfigError


@dataclass(frozen=True)
class Setting:
    """One environment variable."""

    name: str
    default: str
    meaning: str
    parse: Callable[[str], Any] = str
    secret: bool = False


@dataclass(frozen=True)
class Bind:
    """An address to listen on."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address literal means this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _bind(text: str) -> Bind:
    match = re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[^:\s]+):(\d{1,5})", text)
    if not match or not 0 < int(match[2]) < 65536:
        raise ValueError("give HOST:PORT, such as 127.0.0.1:8000")
    return Bind(match[1].strip("[]"), int(match[2]))


def _switch(text: str) -> bool:
    words = {
        "1": True,
        "true": True,
        "yes": True,
        "on": True,
        "0": False,
        "false": False,
        "no": False,
        "off": False,
        "": False,
    }
    if text.lower() not in words:
        raise ValueError("give 1 or 0")
    return words[text.lower()]


def _count(text: str) -> int:
    if not text.isdecimal():
        raise ValueError("give a whole number")
    return int(text)


def _some(text: str) -> int:
    if not 1 <= (count := _count(text)) <= 1_000_000:
        raise ValueError("give a whole number from 1 to 1000000")
    return count


def _file(text: str) -> Path:
    if not Path(text).is_file():
        raise ValueError(f"there is no file {text}")
    return Path(text)


def _hosts(text: str) -> frozenset[str]:
    entries = frozenset(entry.strip().lower() for entry in text.split(",") if entry.strip())
    for entry in entries:
        if not re.fullmatch(r"(\[[0-9a-f:]+\]|[a-z0-9._-]+):\d{1,5}", entry):
            raise ValueError(f"{entry!r} is not HOST:PORT")
    return entries


def _public_url(text: str) -> str:
    url = text.rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(
            "give the address others reach the hub at, such as https://hub.example.com"
        )
    if parts.query or parts.fragment or parts.username or parts.password:
        raise ValueError("leave out user, query and fragment")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("plain http is for this machine only (127.0.0.1); give an https address")
    if "_" in parts.hostname:
        raise ValueError("providers refuse callback addresses with an underscore in the host name")
    if (parts.path + "/").startswith("/api/"):
        raise ValueError("choose another path: /api is the hub's own")
    _ = parts.port  # raises ValueError when it is not a port
    return url


def _database_url(text: str) -> str:
    if text.startswith(("postgres://", "postgresql://")):  # drivers differ; ours is psycopg 3
        return "postgresql+psycopg://" + text.split("://", 1)[1]
    if not text.startswith(("sqlite:///", "postgresql+psycopg://")):
        raise ValueError("give sqlite:///path or postgresql://user@host/name")
    return text


def _redis_url(text: str) -> str:
    if not text.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("give redis://host:port/0, rediss://… or unix:///path")
    return text


def _level(text: str) -> str:
    if text.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise ValueError("give DEBUG, INFO, WARNING or ERROR")
    return text.upper()


def _keys(text: str) -> tuple[tuple[str, bytes], ...]:
    keys = []
    for entry in re.split(r"[\s,]+", text.strip()):
        key_id, separator, encoded = entry.partition(":")
        if not separator or not re.fullmatch(r"[A-Za-z0-9_.-]{1,32}", key_id):
            raise ValueError("give id:key pairs, newest first, such as k2:…,k1:…")
        try:
            key = base64.b64decode(
                encoded.translate(str.maketrans("-_", "+/")) + "=" * (-len(encoded) % 4),
                validate=True,
            )
        except binascii.Error:
            raise ValueError(f"key {key_id} is not base64") from None
        if len(key) != 32:
            raise ValueError(f"key {key_id} has {len(key)} bytes; 32 are needed")
        keys.append((key_id, key))
    if len({key_id for key_id, _ in keys}) < len(keys):
        raise ValueError("two keys share an id")
    return tuple(keys)


def _locale(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*", text):
        raise ValueError("give a language such as en, de or pt-BR")
    return text


def _secret_key(text: str) -> str:
    if len(text) < 32:
        raise ValueError("give at least 32 random characters")
    return text


SETTINGS = (
    Setting("HUB_DATA_DIR", "data", "folder of the embedded database, keys and queue", Path),
    Setting(
        "HUB_DATABASE_URL",
        "",
        "SQLAlchemy address; default: SQLite in the data folder",
        _database_url,
    ),
    Setting(
        "HUB_REDIS_URL",
        "",
        "Redis or Valkey; default: a private server that `hub up` starts",
        _redis_url,
    ),
    Setting("HUB_BIND", "127.0.0.1:8000", "address the web server listens on", _bind),
    Setting(
        "HUB_PUBLIC_URL",
        "",
        "address others reach the hub at, path prefix included; default: the bind address",
        _public_url,
    ),
    Setting(
        "HUB_SECRET_KEY",
        "",
        "signs cookies; default: made once in the data folder",
        _secret_key,
        secret=True,
    ),
    Setting(
        "HUB_ENCRYPTION_KEYS",
        "",
        "`id:base64` keys of 32 bytes, newest first; default: made once in the data folder",
        _keys,
        secret=True,
    ),
    Setting(
        "HUB_DEMO",
        "0",
        "1: test connections talk to the simulator, a sample request is sent",
        _switch,
    ),
    Setting("HUB_SIMULATOR_BIND", "127.0.0.1:8001", "address the simulator listens on", _bind),
    Setting(
        "HUB_CA_FILE",
        "",
        "certificates to trust instead of the shipped ones, for outgoing https",
        _file,
    ),
    Setting(
        "HUB_TRUSTED_PROXIES", "0", "how many proxies in front append to X-Forwarded-For", _count
    ),
    Setting(
        "HUB_HTTP_ALLOW",
        "",
        "host:port list that outgoing requests may reach though private or plain http",
        _hosts,
    ),
    Setting(
        "HUB_LOCALE",
        "en",
        "language of messages to people whose own is not known, or has no text",
        _locale,
    ),
    Setting(
        "HUB_MEDIA_IMAGE_MB",
        "5",
        "the most megabytes of an image that goes along with a message",
        _some,
    ),
    Setting("HUB_MEDIA_MB", "16", "the most megabytes of any other file", _some),
    Setting(
        "HUB_MEDIA_DAYS",
        "7",
        "how long files are kept that were given to POST /api/v1/media",
        _some,
    ),
    Setting("HUB_BODY_DAYS", "30", "how long it is kept what messages said", _some),
    Setting(
        "HUB_METADATA_DAYS",
        "365",
        "how long it is kept that messages were sent, to whom, and what became of them",
        _some,
    ),
    Setting(
        "HUB_RECEIPT_DAYS", "30", "how long providers' webhooks are kept as they came in", _some
    ),
    Setting("HUB_WEB_WORKERS", "2", "processes of the web server", _some),
    Setting("HUB_WEB_THREADS", "4", "threads of each of them", _some),
    Setting(
        "HUB_API_PER_MINUTE",
        "60000",
        "the most API requests a minute with one key that has no limit of its own",
        _some,
    ),
    Setting("HUB_LOG_LEVEL", "INFO", "DEBUG, INFO, WARNING or ERROR", _level),
    Setting(
        "TWILIO_WEBHOOK_AUTH_TOKEN",
        "",
        "verifies Twilio's callbacks whose account belongs to no connection; a STOP among them"
        " holds for its whole channel",
        str,
        secret=True,
    ),
)
# fields of Config that take the value of the setting of their name, unchanged
AS_GIVEN = (
    "simulator_bind",
    "ca_file",
    "trusted_proxies",
    "locale",
    "media_days",
    "body_days",
    "metadata_days",
    "receipt_days",
    "web_workers",
    "web_threads",
    "api_per_minute",
    "log_level",
)
LARGEST_BODY = 256 * 1024  # bytes of what is posted to us
MEGABYTE = 1024 * 1024
Keys = tuple[tuple[str, bytes], ...]
Verify = Callable[[Path, str, Keys | None], None]
API_URL = re.compile(r"HUB_([A-Z0-9]+)_API_URL")


@dataclass(frozen=True)
class Config:
    """The settings, checked."""

    data_dir: Path
    database_url: str
    redis_url: str
    bind: Bind
    public_url: str
    secret_key: str = field(repr=False)
    encryption_keys: tuple[tuple[str, bytes], ...] = field(repr=False)
    demo: bool
    simulator_bind: Bind
    ca_file: Path | None
    trusted_proxies: int
    http_allow: frozenset[str]
    locale: str
    media_image_limit: int  # bytes
    media_limit: int
    media_days: int
    body_days: int
    metadata_days: int
    receipt_days: int
    web_workers: int
    web_threads: int
    api_per_minute: int
    log_level: str
    twilio_webhook_auth_token: str = field(repr=False)
    api_urls: Mapping[str, str]
    embedded_queue: bool

    @property
    def simulator_url(self) -> str:
        return f"http://{self.simulator_bind}"

    @property
    def https(self) -> bool:
        return self.public_url.startswith("https:")

    @property
    def path_prefix(self) -> str:
        return urlsplit(self.public_url).path

    @property
    def sqlite(self) -> bool:
        return self.database_url.startswith("sqlite:")


def load(environ: Mapping[str, str] | None = None, verify: Verify | None = None) -> Config:
    """Read the settings from the environment.

    Creates the data folder and its keys where they are needed and missing. `verify` is called
    before that with the data folder, the database's address and the encryption keys, if there
    are any; it may raise ConfigError, and then nothing is written.
    Raises ConfigError that lists all that is wrong, one line each.
    """
    environ = os.environ if environ is None else environ
    given: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for setting in SETTINGS:
        try:
            text = _read(environ, setting)
            given[setting.name] = setting.parse(text) if text else None
        except (OSError, ValueError) as problem:
            wrong[setting.name] = str(problem)
            # its default stands in, to see what else is wrong
            given[setting.name] = setting.parse(setting.default) if setting.default else None
    urls = {}
    for name, url in environ.items():
        if url and (match := API_URL.fullmatch(name)):
            if urlsplit(url).scheme not in ("http", "https"):
                wrong[name] = "give an address such as https://api.example.com"
            urls[match[1].lower()] = url.rstrip("/")
    return _complete(given, urls, wrong, verify)


def _read(environ: Mapping[str, str], setting: Setting) -> str:
    path = environ.get(setting.name + "_FILE")
    if path and environ.get(setting.name):
        raise ValueError(f"is given twice; remove it or {setting.name}_FILE")
    if not path:
        return environ.get(setting.name, "").strip() or setting.default
    try:
        text = Path(path).read_text().strip()
    except UnicodeDecodeError:
        raise ValueError(f"the file {path} is not a text file") from None
    if setting.secret and not text:
        # an empty file is a mount or a script that failed; a key of our own would hide it
        raise ValueError(
            f"the file {path} is empty; write the secret into it, or remove {setting.name}_FILE"
        )
    return text or setting.default


def _complete(
    given: dict[str, Any], urls: dict[str, str], wrong: dict[str, str], verify: Verify | None
) -> Config:
    folder: Path = given["HUB_DATA_DIR"].expanduser().resolve()
    bind: Bind = given["HUB_BIND"]
    host = "127.0.0.1" if bind.host in ("0.0.0.0", "::") else bind.host  # noqa: S104 - compared, not bound
    public_url = given["HUB_PUBLIC_URL"] or f"http://{Bind(host, bind.port)}"
    database_url = given["HUB_DATABASE_URL"] or f"sqlite:///{folder / 'hub.db'}"
    _compare(given, host, public_url, database_url, wrong)
    if wrong:
        raise ConfigError(
            "\n  ".join(
                [
                    "Signpost does not start, because of these settings:",
                    *map(": ".join, wrong.items()),
                ]
            )
        )
    data_folder.verify(folder)
    secret_key = given["HUB_SECRET_KEY"] or data_folder.read_existing(
        folder / data_folder.SECRET_KEY, _secret_key
    )
    encryption_keys = given["HUB_ENCRYPTION_KEYS"] or data_folder.read_existing(
        folder / data_folder.ENCRYPTION_KEYS, _keys
    )
    if verify:
        verify(folder, database_url, encryption_keys)
    data_folder.make(folder)
    return Config(
        data_dir=folder,
        database_url=database_url,
        redis_url=given["HUB_REDIS_URL"] or f"unix://{data_folder.socket_path(folder)}",
        bind=bind,
        public_url=public_url,
        secret_key=secret_key or data_folder.secret_key(folder),
        encryption_keys=encryption_keys or _keys(data_folder.encryption_keys(folder)),
        demo=bool(given["HUB_DEMO"]),
        http_allow=given["HUB_HTTP_ALLOW"] or frozenset(),
        media_image_limit=given["HUB_MEDIA_IMAGE_MB"] * MEGABYTE,
        media_limit=given["HUB_MEDIA_MB"] * MEGABYTE,
        twilio_webhook_auth_token=given["TWILIO_WEBHOOK_AUTH_TOKEN"] or "",
        api_urls=MappingProxyType(urls),
        embedded_queue=given["HUB_REDIS_URL"] is None,
        **{name: given[f"HUB_{name.upper()}"] for name in AS_GIVEN},
    )


def _compare(
    given: Mapping[str, Any], host: str, public_url: str, database_url: str, wrong: dict[str, str]
) -> None:
    """Note what does not fit together; what is wrong by itself keeps its first reason."""
    if not given["HUB_PUBLIC_URL"] and not is_loopback(host):
        wrong.setdefault(
            "HUB_PUBLIC_URL",
            "is needed when HUB_BIND is not this machine only; give an https address",
        )
    if given["HUB_DEMO"] and not (
        given["HUB_BIND"].loopback and is_loopback(urlsplit(public_url).hostname or "")
    ):
        why = (
            "the demo runs on this machine only; let HUB_BIND and HUB_PUBLIC_URL name 127.0.0.1, or"
            " set HUB_DEMO=0"
        )
        wrong.setdefault("HUB_DEMO", why)
    # With a shared database each machine would otherwise make keys of its own, and none could read
    # what another sealed.
    for name in ("HUB_SECRET_KEY", "HUB_ENCRYPTION_KEYS"):
        if not given[name] and not database_url.startswith("sqlite:"):
            why = (
                "is needed with a database of your own, the same on every machine; for instance the"
                " one in data/ of an embedded hub"
            )
            wrong.setdefault(name, why)
