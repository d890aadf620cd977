"""Whether Twilio signed a request.

https://www.twilio.com/docs/usage/webhooks/webhooks-security
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from twilio.request_validator import RequestValidator
from werkzeug.datastructures import MultiDict

from hub.integrations.base import WebhookRequest


def signed_by(token: str, request: WebhookRequest, signature: str) -> bool:
    """Tell whether Twilio signed a request with this token.

    The address we gave is tried first; Twilio's own validator then tries it with and without its port.
    """
    is_form = request.headers.get("content-type", "").lower().startswith("application/x-www-form-urlencoded")
    if not is_form and request.body:
        # any other body is covered by its hash in the signed address, or not at all
        stated = request.query.get("bodySHA256", "")
        if not hmac.compare_digest(stated.lower().encode(), hashlib.sha256(request.body).hexdigest().encode()):
            return False
    # sorted by name, then value; a value that is repeated under one name counts once
    text = request.url + "".join(name + value for name, value in sorted(set(request.fields)))
    # compared as text: Base64 has spare bits, so that several texts say the same digest
    ours = base64.b64encode(hmac.digest(token.encode(), text.encode(), "sha1"))
    if hmac.compare_digest(ours, signature.encode()):
        return True
    return bool(RequestValidator(token).validate(request.url, MultiDict(request.fields), signature))
