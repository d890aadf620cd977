"""The event bodies that tests post and change."""

from __future__ import annotations

DESIGN = {
    "type": "request.sent",
    "id": "evt-771",
    "occurred_at": "2026-11-21T09:30:00Z",
    "request": {
        "id": "agr-1001",
        "title": "Employment Agreement",
        "sender": {"name": "Acme HR", "email": "hr@acme.example"},
        "expires_at": "2036-12-24T00:00:00Z",
    },
    "signers": [
        {
            "id": "eric",
            "name": "Eric Smith",
            "email": "eric@example.com",
            "mobile_number": "+13175551234",
            "locale": "en",
            "time_zone": "America/Indiana/Indianapolis",
            "order": 1,
            "signing_url": "https://sign.example/r/agr-1001/eric",
            "send_to": {"mobile_number": True, "email": True},
            "preference": ["whatsapp", "sms"],
        }
    ],
}
