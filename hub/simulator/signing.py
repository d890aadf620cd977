"""Sign requests as the provider documents it, independently of the hub's own reading.

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

# a form; a JSON body, whose hash is in the address; a form, the port in the signed address
DIALECTS = "form", "json", "port"


@dataclass(frozen=True)
class Key:
    """A signing key: an Auth Token with SHA-1, or a named SharedKey with SHA-256."""

    secret: str
    shared_id: str = ""

    def sign(self, text: str) -> str:
        made = hmac.new(
            self.secret.encode(), text.encode(), hashlib.sha256 if self.shared_id else hashlib.sha1
        )
        return standard_b64encode(made.digest()).decode()


@dataclass(frozen=True)
class Post:
    """A request that is ready to go out."""

    url: str
    headers: dict[str, str]
    body: bytes


def post(url: str, fields: Iterable[tuple[str, str]], key: Key, dialect: str = "form") -> Post:
    """Write the fields as a request to `url` and sign it."""
    pairs = list(fields)
    if dialect == "json":
        body = json.dumps(dict(pairs)).encode()
        kind = "application/json"
        url += ("&" if "?" in url else "?") + "bodySHA256=" + hashlib.sha256(body).hexdigest()
        text = url
    else:
        body = urlencode(pairs).encode()
        kind = "application/x-www-form-urlencoded; charset=UTF-8"
        text = with_port(url) if dialect == "port" else url
        for name in sorted({name for name, _ in pairs}):
            for value in sorted({value for other, value in pairs if other == name}):
                text += name + value
    headers = {"Content-Type": kind, "X-Twilio-Signature": key.sign(text)}
    if key.shared_id:
        headers["X-Twilio-Webhooks-Signature-Settings"] = (
            f"key={key.shared_id},algorithm=HMAC_SHA256"
        )
    return Post(url, headers, body)


def with_port(url: str) -> str:
    """Return the address with its port in it, also where that is the usual one: some of the
    provider's machines sign it so.
    """
    parts = urlsplit(url)
    if parts.port:
        return url
    return urlunsplit(
        parts._replace(netloc=f"{parts.netloc}:{443 if parts.scheme == 'https' else 80}")
    )
