"""The files that Twilio accepts: content type → maximum bytes.

https://www.twilio.com/docs/whatsapp/guidance-whatsapp-media-messages
https://www.twilio.com/docs/messaging/guides/accepted-mime-types
"""

from __future__ import annotations

MEGABYTE = 1024 * 1024
IMAGE = 5 * MEGABYTE
OTHER = 16 * MEGABYTE
OTHER_MMS = 500 * 1024
_OFFICE = "application/vnd.openxmlformats-officedocument."

ON_WHATSAPP = {
    **dict.fromkeys(("image/jpeg", "image/png", "image/webp"), IMAGE),
    **dict.fromkeys(
        (
            "application/pdf",
            "application/msword",
            f"{_OFFICE}wordprocessingml.document",
            f"{_OFFICE}presentationml.presentation",
            f"{_OFFICE}spreadsheetml.sheet",
            "audio/ogg",
            "audio/amr",
            "audio/3gpp",
            "audio/aac",
            "audio/mpeg",
            "video/mp4",
            "text/vcard",
        ),
        OTHER,
    ),
}
AS_MMS = {
    **dict.fromkeys(("image/jpeg", "image/png", "image/gif"), IMAGE),
    **dict.fromkeys(
        ("application/pdf", "audio/mpeg", "audio/ogg", "video/mp4", "text/vcard"), OTHER_MMS
    ),
}
