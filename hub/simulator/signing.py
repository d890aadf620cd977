"""Sign requests from Twilio's documentation, independently of the hub's code.

https://www.twilio.com/docs/usage/webhooks/webhooks-security
"""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import standard_b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit, urlunsplit

# a form; a JSON body, with its hash in the URL; a form, with the port in the signed URL
DIALECTS = "form", "json", "port"


@dataclass(frozen=True)
class Key:
    """A signing key: an Auth Token with SHA-1, or a named SharedKey with SHA-256."""

    secret: str
    shared_id: str = ""

    def sign(self, text: str) -> str:
        digest = hmac.new(
            self.secret.encode(), text.encode(), hashlib.sha256 if self.shared_id else hashlib.sha1
        )
        return standard_b64encode(digest.digest()).decode()


@dataclass(frozen=True)
class Post:
    """A signed request."""

    url: str
    headers: dict[str, str]
    body: bytes


def post(url: str, fields: Iterable[tuple[str, str]], key: Key, dialect: str = "form") -> Post:
    """Return a signed request with these fields."""
    pairs = list(fields)
    if dialect == "json":
        body = json.dumps(dict(pairs)).encode()
        content_type = "application/json"
        url += ("&" if "?" in url else "?") + "bodySHA256=" + hashlib.sha256(body).hexdigest()
        signed_text = url
    else:
        body = urlencode(pairs).encode()
        content_type = "application/x-www-form-urlencoded; charset=UTF-8"
        signed_text = with_port(url) if dialect == "port" else url
        for name in sorted({name for name, _ in pairs}):
            for value in sorted({value for other, value in pairs if other == name}):
                signed_text += name + value
    headers = {"Content-Type": content_type, "X-Twilio-Signature": key.sign(signed_text)}
    if key.shared_id:
        headers["X-Twilio-Webhooks-Signature-Settings"] = (
            f"key={key.shared_id},algorithm=HMAC_SHA256"
        )
    return Post(url, headers, body)


def with_port(url: str) -> str:
    """Return a URL with its port. Some of Twilio's machines sign URLs in this form."""
    parts = urlsplit(url)
    if parts.port:
        return url
    return urlunsplit(
        parts._replace(netloc=f"{parts.netloc}:{443 if parts.scheme == 'https' else 80}")
    )
