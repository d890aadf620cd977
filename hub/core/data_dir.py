"""The files of the data folder. Missing ones are created, readable only by their owner.

hub.db              the embedded database        hub.db.lock   its write lock
secret-key          signs cookies                encryption-keys   `id:key` lines, newest first
queue.sock          the embedded queue server    simulator.json    the simulator's credentials
demo-key            the demo's API key           simulator-mail.pem  its mail server's key
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from hub.core.errors import ConfigError

T = TypeVar("T")

# sockaddr_un.sun_path has 108 bytes on Linux and 104 on macOS, including the final NUL
MAX_SOCKET_PATH_LENGTH = 100
SECRET_KEY = "secret-key"  # noqa: S105 - the name of a file
ENCRYPTION_KEYS = "encryption-keys"


@dataclass(frozen=True)
class SimulatorCredentials:
    """The simulator's one account, generated for each data folder."""

    account_sid: str
    auth_token: str
    api_key_sid: str
    api_key_secret: str
    phone_number: str = "+15005550006"
    messaging_service_sid: str = ""

    def derive(self, name: str, length: int = 32) -> str:
        """Return a credential of the simulator and the demo's connections: up to 64 hexadecimal
        digits.
        """
        return hmac.new(self.api_key_secret.encode(), name.encode(), hashlib.sha256).hexdigest()[
            :length
        ]

    @property
    def webhook_secret(self) -> str:
        """The secret of the demo's webhook endpoint, which the simulator receives for."""
        return f"whsec_{base64.b64encode(self.derive('webhook secret').encode()).decode()}"


def create(folder: Path) -> Path:
    """Create the data folder for its owner only. An existing folder is left unchanged."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            _unusable_message(folder, f"cannot be created ({error.strerror})")
        ) from None
    return folder


def verify(folder: Path) -> None:
    """Raise ConfigError unless files can be created in the data folder. It writes nothing."""
    existing = folder
    try:
        while not existing.exists() and existing != existing.parent:
            existing = existing.parent
        is_folder = existing.is_dir()
    except OSError as error:
        raise ConfigError(
            _unusable_message(folder, f"cannot be opened ({error.strerror})")
        ) from None
    if not is_folder:
        raise ConfigError(
            _unusable_message(folder, f"cannot be used, because {existing} is not a directory")
        )
    if not os.access(existing, os.R_OK | os.W_OK | os.X_OK):
        problem = "is not writable" if existing == folder else f"cannot be created in {existing}"
        read_only = os.statvfs(existing).f_flag & os.ST_RDONLY
        reason = (
            "its file system is read-only"
            if read_only
            else f"user {os.geteuid()} has no access to it"
        )
        raise ConfigError(_unusable_message(folder, f"{problem}, because {reason}"))


def _unusable_message(folder: Path, problem: str) -> str:
    return (
        f"Signpost does not start: the data folder {folder} {problem}. "
        "Give this user write access to it, or name another folder in HUB_DATA_DIR."
    )


def read_existing(path: Path, parse: Callable[[str], T]) -> T | None:
    """Return the key in a file, or None if there is no file. Raises ConfigError."""
    try:
        return parse(path.read_text().strip())
    except FileNotFoundError:
        return None
    except OSError as error:
        reason = f"{error.strerror}. Give user {os.geteuid()} read access to it"
    except UnicodeDecodeError:
        reason = "it is not a text file. Restore it from a backup of the data folder"
    except ValueError as error:
        reason = f"{error}. Restore it from a backup of the data folder"
    alternative = (
        " Or delete it: Signpost then creates a new one, and all users must sign in again."
        if path.name == SECRET_KEY
        else ""
    )
    raise ConfigError(
        f"Signpost cannot start. Cannot use the key file {path}: {reason}.{alternative}"
    )


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read. A reader sees either the old text or the
    new one.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def create_once(path: Path, text: str) -> str:
    """Return the content of a file, which is created with `text` if it is missing.

    Any number of processes may call this at once.
    """
    if not path.exists():
        create(path.parent)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        write_private(temporary, text)
        try:
            os.link(temporary, path)  # unlike a rename, this fails if another process was first
        except FileExistsError:
            pass  # use the file of the other process
        finally:
            temporary.unlink()
    return path.read_text().strip()


def secret_key(folder: Path) -> str:
    return create_once(folder / SECRET_KEY, secrets.token_urlsafe(48))


def encryption_keys(folder: Path) -> str:
    return create_once(
        folder / ENCRYPTION_KEYS, "k1:" + base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    )


def simulator_credentials(folder: Path) -> SimulatorCredentials:
    generated = SimulatorCredentials(
        account_sid="AC" + secrets.token_hex(16),
        auth_token=secrets.token_hex(16),
        api_key_sid="SK" + secrets.token_hex(16),
        api_key_secret=secrets.token_urlsafe(24),
        messaging_service_sid="MG" + secrets.token_hex(16),
    )
    return SimulatorCredentials(
        **json.loads(
            create_once(folder / "simulator.json", json.dumps(asdict(generated), indent=1))
        )
    )


def socket_path(folder: Path) -> Path:
    """Return the socket of the embedded queue server.

    It is in the data folder, or in the temporary folder if that path is too long.
    """
    path = folder.resolve() / "queue.sock"
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH_LENGTH:
        return path
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"hub-{os.getuid()}-{digest}" / "queue.sock"
