"""The page of link shorteners: a token survives a test, and removing asks first."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask

from hub.core.vocabulary import Role
from hub.messaging.send import link_shortening
from tests.conftest import Browser

pytestmark = pytest.mark.usefixtures("simulator")
PATH = "/settings/short-links/bitly"
SETTINGS = {"token": "a-token", "domain": "go.acme.example", "group": "Bk1"}


def stored(app: Flask) -> dict[str, str] | None:
    with app.app_context():
        return link_shortening.read_settings("bitly")


def kept_token(page: str) -> str:
    [kept] = re.findall(r'name="token-kept" value="([^"]+)"', page)
    return str(kept)


def test_tested_token_is_saved_without_being_typed_again(app: Flask, admin: Browser) -> None:
    tested = admin.post(PATH, {**SETTINGS, "do": "test"})
    assert tested.status_code == 200
    assert "a-token" not in tested.text
    assert stored(app) is None
    again = {**SETTINGS, "token": "", "token-kept": kept_token(tested.text), "do": "save"}
    assert admin.post(PATH, again).status_code == 303
    assert stored(app) == SETTINGS


def test_kept_token_belongs_to_its_user_and_service(
    app: Flask, admin: Browser, browser_for: Callable[..., Browser]
) -> None:
    kept = kept_token(admin.post(PATH, {**SETTINGS, "do": "test"}).text)
    other = browser_for(Role.ADMIN, name="Other")
    posted = {**SETTINGS, "token": "", "token-kept": kept, "do": "save"}
    assert "Enter the access token." in other.post(PATH, posted).text
    rebrandly = {"key": "", "key-kept": kept, "domain": "go.acme.example", "do": "save"}
    answer = admin.post("/settings/short-links/rebrandly", rebrandly)
    assert "Enter the API key." in answer.text
    assert stored(app) is None


def test_page_asks_before_it_removes_a_service(app: Flask, admin: Browser) -> None:
    admin.post(PATH, {**SETTINGS, "do": "save"})
    assert f'href="{PATH}/remove"' in admin.get("/settings/short-links").text
    question = admin.get(f"{PATH}/remove").text
    assert "Signpost deletes the credentials of Bitly." in question
    assert stored(app) == SETTINGS
    assert admin.post(f"{PATH}/remove").status_code == 303
    assert stored(app) is None
    assert admin.get("/settings/short-links/nothing/remove").status_code == 404
