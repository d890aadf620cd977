"""Settings: read once, with all problems reported together."""

from __future__ import annotations

import base64
import os
import secrets
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from hub.core import config, data_dir
from hub.core.bind_address import Bind, is_loopback
from hub.core.errors import ConfigError

KEY = base64.b64encode(bytes(32)).decode()


def load(folder: Path, **environ: str) -> config.Config:
    return config.load({"HUB_DATA_DIR": str(folder), **environ})


def config_error(folder: Path, **environ: str) -> str:
    with pytest.raises(ConfigError) as problem:
        load(folder, **environ)
    return str(problem.value)


def test_every_setting_has_a_default(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    assert (loaded.public_url, str(loaded.bind), loaded.demo, loaded.embedded_queue) == (
        "http://127.0.0.1:8000",
        "127.0.0.1:8000",
        False,
        True,
    )
    assert loaded.database_url == f"sqlite:///{tmp_path / 'hub.db'}"
    assert loaded.redis_url.startswith("unix://")


WRONG = {
    "HUB_DATABASE_URL": "mysql://x",
    "HUB_REDIS_URL": "memcached://x",
    "HUB_BIND": "8000",
    "HUB_PUBLIC_URL": "ftp://x",
    "HUB_SECRET_KEY": "short",
    "HUB_ENCRYPTION_KEYS": "nonsense",
    "HUB_DEMO": "maybe",
    "HUB_SIMULATOR_BIND": "127.0.0.1:99999",
    "HUB_SIMULATOR_MAIL_BIND": "127.0.0.1:99998",
    "HUB_CA_FILE": "/nowhere/ca.pem",
    "HUB_TRUSTED_PROXIES": "-1",
    "HUB_HTTP_ALLOW": "proxy",
    "HUB_WEB_WORKERS": "0",
    "HUB_WEB_THREADS": "none",
    "HUB_LOG_LEVEL": "LOUD",
    "HUB_TWILIO_API_URL": "twilio.example",
}


@pytest.mark.parametrize("name", list(WRONG))
def test_invalid_setting_is_named(tmp_path: Path, name: str) -> None:
    assert name in config_error(tmp_path, **{name: WRONG[name]})


def test_all_invalid_settings_are_reported_together(tmp_path: Path) -> None:
    error = config_error(tmp_path, **WRONG)
    assert [name for name in WRONG if f"\n  {name}: " not in error] == []
    assert len(error.splitlines()) == len(WRONG) + 1


def test_invalid_setting_does_not_hide_settings_in_conflict(tmp_path: Path) -> None:
    error = config_error(
        tmp_path,
        HUB_LOG_LEVEL="LOUD",
        HUB_DEMO="1",
        HUB_BIND="192.0.2.1:80",
        HUB_DATABASE_URL="postgresql://u@h/d",
    )
    for name in (
        "HUB_LOG_LEVEL",
        "HUB_DEMO",
        "HUB_PUBLIC_URL",
        "HUB_SECRET_KEY",
        "HUB_ENCRYPTION_KEYS",
    ):
        assert f"\n  {name}: " in error


def test_error_contains_no_secret(tmp_path: Path) -> None:
    error = config_error(
        tmp_path, HUB_SECRET_KEY="hush-hush", HUB_ENCRYPTION_KEYS="k1:aHVzaC1odXNo", HUB_BIND="x"
    )
    assert "hush" not in error
    assert "aHVzaC1odXNo" not in error


def test_setting_may_be_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s" * 40 + "\n")
    assert load(tmp_path / "d", HUB_SECRET_KEY_FILE=str(tmp_path / "secret")).secret_key == "s" * 40
    assert "HUB_SECRET_KEY" in config_error(tmp_path, HUB_SECRET_KEY_FILE=str(tmp_path / "nothing"))
    assert "twice" in config_error(
        tmp_path, HUB_SECRET_KEY="s" * 40, HUB_SECRET_KEY_FILE=str(tmp_path / "secret")
    )


@pytest.mark.parametrize("setting", config.SETTINGS, ids=lambda setting: setting.name)
def test_every_setting_may_be_read_from_a_file_and_an_empty_one_is_unset(
    tmp_path: Path, setting: config.Setting
) -> None:
    (tmp_path / "nothing").write_text("\n")
    if setting.name != "HUB_DATA_DIR":
        environ = {f"{setting.name}_FILE": str(tmp_path / "nothing")}
        if setting.secret:
            assert f"{setting.name}: the file {tmp_path / 'nothing'} is empty" in config_error(
                tmp_path / "d", **environ
            )
        else:
            assert load(tmp_path / "d", **environ).log_level == "INFO"
        assert load(tmp_path / "d", **{setting.name: ""}).log_level == "INFO"


def test_empty_api_address_is_unset(tmp_path: Path) -> None:
    assert dict(load(tmp_path, HUB_TWILIO_API_URL="").api_urls) == {}
    assert dict(load(tmp_path, HUB_TWILIO_API_URL="https://proxy.example/").api_urls) == {
        "twilio": "https://proxy.example"
    }


@pytest.mark.parametrize(
    ("bind", "url", "is_accepted"),
    [
        ("127.0.0.1:8000", "", True),
        ("[::1]:8000", "", True),
        ("localhost:8000", "http://localhost:8000", True),
        ("127.0.0.1:8000", "https://hub.example.com", False),
        ("0.0.0.0:8000", "http://127.0.0.1:8000", False),
        ("192.0.2.1:8000", "https://hub.example.com", False),
    ],
)
def test_demo_listens_on_loopback_only(
    tmp_path: Path, bind: str, url: str, is_accepted: bool
) -> None:
    environ = {"HUB_DEMO": "1", "HUB_BIND": bind, "HUB_PUBLIC_URL": url}
    if is_accepted:
        assert load(tmp_path, **environ).demo
    else:
        assert "HUB_DEMO" in config_error(tmp_path, **environ)


@pytest.mark.parametrize(
    "url",
    [
        "http://hub.example.com",
        "http://192.168.1.2:8000",
        "http://0.0.0.0:8000",
        "https://",
        "https://u:p@hub.example.com",
        "https://hub.example.com?x=1",
        "https://hub.example.com/#x",
        "https://my_hub.example.com",
        "https://hub.example.com:x",
        "https://hub.example.com:99999",
        "//hub.example.com",
        "http://127.0.0.1.example.com",
        "https://bücher.example.com",
        "https://hub.example.com/bücher",
        "https://hub.example.com/a b",
    ],
)
def test_public_address_must_be_safe_and_usable(tmp_path: Path, url: str) -> None:
    assert "HUB_PUBLIC_URL" in config_error(tmp_path, HUB_PUBLIC_URL=url)


@pytest.mark.parametrize(
    ("url", "prefix"),
    [
        ("https://hub.example.com/", ""),
        ("https://hub.example.com/signpost/", "/signpost"),
        ("http://[::1]:8000", ""),
    ],
)
def test_public_address_may_have_a_path(tmp_path: Path, url: str, prefix: str) -> None:
    loaded = load(tmp_path, HUB_PUBLIC_URL=url)
    assert (loaded.public_url, loaded.path_prefix) == (url.rstrip("/"), prefix)


@pytest.mark.parametrize(
    "keys",
    [
        "k1",
        "k1:",
        f"k1:{KEY},k1:{KEY}",
        "k1:" + base64.b64encode(bytes(31)).decode(),
        f"k 1:{KEY}",
        f"{'k' * 33}:{KEY}",
        f"k1:{KEY},",
        "k1:ä" + KEY,
    ],
)
def test_invalid_keys_are_refused(tmp_path: Path, keys: str) -> None:
    assert "HUB_ENCRYPTION_KEYS" in config_error(tmp_path, HUB_ENCRYPTION_KEYS=keys)


def test_keys_are_read_newest_first_in_both_base64_alphabets(tmp_path: Path) -> None:
    older = secrets.token_bytes(32)
    two = b"\xfb\xff" * 16
    newer = base64.urlsafe_b64encode(two).decode().rstrip("=")
    setting = f"k2:{newer}\nk1:{base64.b64encode(older).decode()}"
    assert load(tmp_path, HUB_ENCRYPTION_KEYS=setting).encryption_keys == (
        ("k2", two),
        ("k1", older),
    )


def test_postgres_url_scheme_is_accepted(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        HUB_DATABASE_URL="postgres://u@h/d",
        HUB_SECRET_KEY="s" * 40,
        HUB_ENCRYPTION_KEYS=f"k1:{KEY}",
    )
    assert loaded.database_url == "postgresql+psycopg://u@h/d"


def test_settings_do_not_reveal_secrets_when_printed(tmp_path: Path) -> None:
    printed = repr(load(tmp_path, HUB_SECRET_KEY="s" * 40, TWILIO_WEBHOOK_AUTH_TOKEN="hush"))
    assert "s" * 40 not in printed
    assert "hush" not in printed


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("hub", False),
        ("127.0.0.1.example.com", False),
        ("", False),
    ],
)
def test_is_loopback_accepts_only_loopback_addresses(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_ipv6_address_is_written_in_brackets() -> None:
    assert str(Bind("::1", 80)) == "[::1]:80"


# ── The data folder ───────────────────────────────────────────────────────────────────────────────
def test_generated_keys_are_stored_once_and_readable_only_by_the_owner(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "data"
    before = os.umask(0)
    try:
        first = load(folder)
        second = load(folder)
        data_dir.simulator_credentials(folder)
    finally:
        os.umask(before)
    assert (first.secret_key, first.encryption_keys) == (second.secret_key, second.encryption_keys)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert files == {"secret-key": 0o600, "encryption-keys": 0o600, "simulator.json": 0o600}


def test_concurrent_processes_generate_one_key(tmp_path: Path) -> None:
    keys: list[Any] = []
    threads = [
        threading.Thread(target=lambda: keys.append(data_dir.encryption_keys(tmp_path / "data")))
        for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(keys)) == 1
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["encryption-keys"], (
        "nothing temporary is left"
    )


def test_shared_database_requires_explicit_keys(tmp_path: Path) -> None:
    error = config_error(tmp_path / "new", HUB_DATABASE_URL="postgresql://u@h/d")
    assert "HUB_SECRET_KEY" in error
    assert "HUB_ENCRYPTION_KEYS" in error
    assert not (tmp_path / "new").exists(), "a refusal leaves nothing behind"


def test_socket_path_is_short_for_any_folder(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 120)
    assert len(os.fsencode(data_dir.socket_path(deep))) <= data_dir.MAX_SOCKET_PATH_LENGTH
    assert data_dir.socket_path(deep) != data_dir.socket_path(tmp_path / ("y" * 120))
