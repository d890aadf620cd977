"""Access tokens for mail servers that accept no passwords (OAuth 2.0).

Microsoft 365 gives a token for the secret of an app registration, Google for a signed statement of
a service account. https://learn.microsoft.com/exchange/client-developer/legacy-protocols/
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from hub.integrations.api import (
    OutcomeUnknown,
    ProviderHttpClient,
    ProviderResponse,
    call,
    make_jwt,
)
from hub.integrations.smtp.errors import ERRORS
from hub.integrations.smtp.oauth_form import GOOGLE, MICROSOFT, service_account

MICROSOFT_SCOPE = "https://outlook.office365.com/.default"
GOOGLE_SCOPE = "https://mail.google.com/"
GOOGLE_AUDIENCE = "https://oauth2.googleapis.com/token"
GOOGLE_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
STATEMENT_SECONDS = 3600
RENEW_BEFORE = 120.0  # seconds before the token expires


class TokenSource:
    """The access token of one connection, which all its threads share until it expires."""

    def __init__(
        self, http: ProviderHttpClient, settings: Mapping[str, Any], api_urls: Mapping[str, str]
    ) -> None:
        self._http = http
        self._settings = settings
        self._api_urls = api_urls
        self._lock = threading.Lock()
        self._token = ""
        self._renew_at = 0.0

    def token(self, refused: str = "") -> str:
        """Return a valid token; a new one if the mail server refused `refused`.

        Raises a SendError.
        """
        with self._lock:
            if self._token in ("", refused) or time.monotonic() >= self._renew_at:
                self._fetch()
            return self._token

    def _fetch(self) -> None:
        try:
            response = self._request()
        except OutcomeUnknown:
            raise ERRORS.error("token_unavailable") from None  # no email was sent yet
        token = response.json.get("access_token")
        if response.status >= 500 or response.status == 429:
            raise ERRORS.error("token_unavailable", response.retry_after)
        if response.status >= 300 or not isinstance(token, str) or not token.isascii():
            raise ERRORS.error("token_refused")
        lifetime = response.json.get("expires_in")
        seconds = float(lifetime) if isinstance(lifetime, int | float) else 0.0
        self._token = token
        self._renew_at = time.monotonic() + max(seconds - RENEW_BEFORE, 0.0)

    def _request(self) -> ProviderResponse:
        if self._settings["sign_in"] == MICROSOFT:
            tenant = quote(self._settings["tenant"], safe="")
            url = f"{self._api_urls['microsoftlogin']}/{tenant}/oauth2/v2.0/token"
            fields = {
                "grant_type": "client_credentials",
                "client_id": self._settings["client_id"],
                "client_secret": self._settings["client_secret"],
                "scope": MICROSOFT_SCOPE,
            }
        else:
            url = f"{self._api_urls['googletoken']}/token"
            fields = {"grant_type": GOOGLE_GRANT, "assertion": self._statement()}
        return call(self._http, "the sign-in server", "POST", url, form=fields)

    def _statement(self) -> str:
        """Return the signed statement of the service account, for the mailbox (RFC 7523)."""
        key = service_account(self._settings["service_account"])
        now = int(time.time())
        claims = {
            "iss": key["client_email"],
            "sub": self._settings["username"],
            "scope": GOOGLE_SCOPE,
            "aud": GOOGLE_AUDIENCE,
            "iat": now,
            "exp": now + STATEMENT_SECONDS,
        }
        headers = {"kid": key.get("private_key_id", "")}
        try:
            return make_jwt(claims, key["private_key"], headers=headers)
        except ValueError:
            raise ERRORS.error("token_refused") from None


def token_source(
    http: ProviderHttpClient, settings: Mapping[str, Any], api_urls: Mapping[str, str]
) -> TokenSource | None:
    """Return the source of tokens, or None for a connection with a password or without."""
    uses_tokens = settings.get("sign_in") in (MICROSOFT, GOOGLE)
    return TokenSource(http, settings, api_urls) if uses_tokens else None
