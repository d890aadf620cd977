"""Signing in and out, setup links, the user's own account, and other users."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from hub.accounts import single_use_links, users
from hub.connections import setup
from hub.core.vocabulary import Role
from tests.conftest import PASSWORD, Browser


def path_of(action_link: str | None) -> str:
    assert action_link
    return "/" + action_link.split("/", 3)[3]


def test_first_admin_sets_up_the_account_and_is_signed_in(app: Flask, anonymous: Browser) -> None:
    with app.app_context():
        link = path_of(setup.create_first_admin_link())
    assert "Set up Signpost" in anonymous.get(link).text
    person = {"name": "Dana", "email": "dana@acme.example", "password": PASSWORD}
    assert anonymous.post(link, person).headers["Location"] == "/"
    assert "Dana" in anonymous.get("/account").text
    response = anonymous.get(link)
    assert (response.status_code, "This link is no longer valid" in response.text) == (404, True)


def test_refused_setup_keeps_all_entries_except_the_password(
    app: Flask, anonymous: Browser
) -> None:
    with app.app_context():
        link = path_of(setup.create_first_admin_link())
    answer = anonymous.post(
        link, {"name": "Dana", "email": "dana@acme.example", "password": "too short"}
    )
    assert answer.status_code == 422
    assert "Use at least 10 characters" in answer.text
    assert 'value="dana@acme.example"' in answer.text
    assert "too short" not in answer.text


def test_open_setup_link_is_void_once_a_user_exists(app: Flask, anonymous: Browser) -> None:
    with app.app_context():
        link = path_of(setup.create_first_admin_link())
        users.create_user("root@acme.example", "Root", PASSWORD, Role.ADMIN)
    for answer in (
        anonymous.get(link),
        anonymous.post(link, {"name": "Eve", "email": "eve@x.example", "password": PASSWORD}),
    ):
        assert answer.status_code == 404
        assert "This link is no longer valid" in answer.text


def test_sign_in_returns_to_the_requested_page(
    browser_for: Callable[..., Browser],
) -> None:
    browser = browser_for(Role.VIEWER, signed_in=False)
    sent = browser.get("/activity?kind=user")
    assert sent.headers["Location"] == "/sign-in?next=/activity?kind%3Duser"
    response = browser.post(
        sent.headers["Location"], {"email": browser.email, "password": PASSWORD}
    )
    assert response.headers["Location"] == "/activity?kind=user"


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "evil",
        "/\t/evil.example",
        "javascript:alert(1)",
    ],
)
def test_sign_in_does_not_redirect_to_another_site(
    browser_for: Callable[..., Browser], target: str
) -> None:
    browser = browser_for(Role.VIEWER, signed_in=False)
    answer = browser.post(
        "/sign-in", {"email": browser.email, "password": PASSWORD}, query_string={"next": target}
    )
    assert answer.headers["Location"] == "/"


def test_wrong_passwords_are_counted_down_until_the_account_is_blocked(
    browser_for: Callable[..., Browser],
) -> None:
    browser = browser_for(Role.VIEWER, signed_in=False)
    pages = [browser.sign_in("a wrong password").text for _ in range(5)]
    assert all("The email address and password do not match." in page for page in pages)
    assert "You have 3 attempts left. After that, wait 5 minutes." in pages[1]
    assert "Try again in 5 minutes." in pages[4]
    rests = browser.sign_in()  # the right one
    assert rests.status_code == 429
    assert 290 <= int(rests.headers["Retry-After"]) <= 300
    assert "You entered 5 wrong passwords. Wait 5 minutes" in rests.text
    assert browser.get("/account").status_code == 303


def test_unknown_email_address_gets_the_same_error(anonymous: Browser) -> None:
    answer = anonymous.post("/sign-in", {"email": "nobody@acme.example", "password": PASSWORD})
    assert (answer.status_code, "The email address and password do not match." in answer.text) == (
        422,
        True,
    )
    assert PASSWORD not in answer.text


def test_signing_out_ends_the_session_on_the_server(admin: Browser) -> None:
    cookie = admin.client.get_cookie("signpost", "127.0.0.1")
    assert cookie is not None
    admin.post("/sign-out")
    assert admin.get("/account").status_code == 303
    admin.client.set_cookie("signpost", cookie.value, domain="127.0.0.1")
    assert admin.get("/account").status_code == 303


def test_post_after_signing_out_elsewhere_explains_the_refusal(admin: Browser) -> None:
    token = admin.token()
    admin.client.delete_cookie("signpost", domain="127.0.0.1")
    answer = admin.client.post(
        "/account/time-zone", data={"csrf_token": token}, follow_redirects=True
    )
    assert "You are signed out. Sign in and try again." in answer.text


def test_changing_the_password_signs_out_other_browsers(app: Flask, admin: Browser) -> None:
    other = Browser(app, admin.email)
    other.sign_in()
    refused = admin.post(
        "/account", {"current": "not mine at all", "password": "another one, quite long"}
    )
    assert "The current password is not correct." in refused.text
    assert other.get("/account").status_code == 200
    changed = admin.post("/account", {"current": PASSWORD, "password": "another one, quite long"})
    assert changed.status_code == 303
    assert admin.get("/account").status_code == 200
    assert other.get("/account").status_code == 303


def test_times_are_shown_in_the_chosen_zone(admin: Browser) -> None:
    assert admin.post("/account/time-zone", {"time_zone": "Asia/Tokyo"}).status_code == 303
    assert "JST" in admin.get("/activity").text
    assert admin.post("/account/time-zone", {"time_zone": "Mars/Olympus"}).status_code == 422


def test_added_user_chooses_a_password_with_the_link(admin: Browser, anonymous: Browser) -> None:
    page = admin.post(
        "/settings/users",
        {"name": "Olaf", "email": "olaf@acme.example", "role": str(Role.OPERATOR.value)},
    ).text
    link = page.partition("/password/")[2].partition("<")[0]
    assert link
    assert link not in admin.get("/settings/users").text
    assert "Olaf" in anonymous.get(f"/password/{link}").text
    assert anonymous.post(f"/password/{link}", {"password": "short"}).status_code == 422
    assert anonymous.post(f"/password/{link}", {"password": PASSWORD}).status_code == 303
    assert "Operator" in anonymous.get("/account").text
    assert anonymous.get(f"/password/{link}").status_code == 404


def test_admin_changes_roles_and_deactivates_users(
    browser_for: Callable[..., Browser], admin: Browser
) -> None:
    viewer = browser_for(Role.VIEWER)
    admin.post(f"/settings/users/{viewer.user_id}/role", {"role": str(Role.OPERATOR.value)})
    assert "operator" in viewer.get("/account").text
    admin.post(f"/settings/users/{viewer.user_id}/deactivate")
    assert viewer.get("/account").status_code == 303
    admin.post(f"/settings/users/{viewer.user_id}/reactivate")
    assert viewer.sign_in().status_code == 303


def test_page_explains_why_the_last_admin_cannot_be_deactivated(admin: Browser) -> None:
    answer = admin.post(f"/settings/users/{admin.user_id}/deactivate", follow_redirects=True)
    assert "Dana Whitfield is the last admin who can sign in." in answer.text
    assert admin.get("/account").status_code == 200


def test_new_link_for_a_user_voids_only_the_earlier_link(
    app: Flask, browser_for: Callable[..., Browser], admin: Browser
) -> None:
    viewer = browser_for(Role.VIEWER)
    assert "/password/" in admin.post(f"/settings/users/{viewer.user_id}/link").text
    assert viewer.get("/account").status_code == 200
    with app.app_context():
        assert single_use_links.create_password_link(viewer.user_id)


def test_api_key_is_shown_once(app: Flask, admin: Browser) -> None:
    page = admin.post("/settings/api-keys", {"name": "Contracts", "test": "y"}).text
    key = "sp_test_" + page.partition("sp_test_")[2].partition("<")[0]
    listed = admin.get("/settings/api-keys").text
    assert "Contracts" in listed
    assert key not in listed
    from hub.accounts import api_keys

    with app.app_context():
        authenticated = api_keys.authenticate(key)
        assert authenticated is not None
        key_id = authenticated.id
    admin.post(f"/settings/api-keys/{key_id}/revoke")
    assert "Revoked" in admin.get("/settings/api-keys").text
    with app.app_context():
        assert api_keys.authenticate(key) is None


def test_activity_lists_changes_with_paging(app: Flask, admin: Browser) -> None:
    with app.app_context():
        for number in range(120):
            users.create_user(f"user{number}@acme.example", f"User {number}")
    first = admin.get("/activity?kind=user&q=User").text
    assert "Added the user User 119" in first
    assert "User 60" not in first
    older = first.partition('href="/activity?')[2]
    hrefs = [part.partition('"')[0] for part in first.split('href="')[1:]]
    older = next(href for href in hrefs if "before=" in href).replace("&amp;", "&")
    second = admin.get(older).text
    assert "Added the user User 69<" in second
    assert "Added the user User 70<" not in second
    newer = next(
        part.partition('"')[0]
        for part in second.split('href="')[1:]
        if "after=" in part.partition('"')[0]
    )
    assert "User 119" in admin.get(newer.replace("&amp;", "&")).text
    assert "No activity" in admin.get("/activity?q=nobody-is-called-so").text


class TestUnderAPathPrefix:
    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {"HUB_PUBLIC_URL": "http://127.0.0.1:8765/hub"}

    def test_redirect_after_sign_in_keeps_the_prefix(
        self, app: Flask, browser_for: Callable[..., Browser]
    ) -> None:
        browser = browser_for(Role.VIEWER, signed_in=False)
        sent = browser.get("/activity")
        assert sent.headers["Location"] == "/hub/sign-in?next=/activity"
        response = browser.post(
            "/sign-in?next=/activity", {"email": browser.email, "password": PASSWORD}
        )
        assert response.headers["Location"] == "/hub/activity"
        assert browser.get("/activity").status_code == 200
        with app.app_context():
            assert single_use_links.create_password_link(browser.user_id).startswith(
                "http://127.0.0.1:8765/hub/password/"
            )
