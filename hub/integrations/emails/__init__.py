"""Parts that integrations for email share: addresses, settings, the letter and its layout.

addresses         their two forms     layout, labels  the HTML and the plain text
form              fields of settings  letter          subject, names and headers
email_integration the base class
"""

from hub.integrations.emails.addresses import (
    clean_email,
    domain_of,
    validate_address,
    validate_ascii_address,
    wire_form,
)
from hub.integrations.emails.email_integration import (
    MAX_FILE_SIZE,
    UNAUTHENTICATED,
    EmailIntegration,
)
from hub.integrations.emails.form import (
    REPLY_TO_ADDRESS,
    UNSUBSCRIBE_REMINDERS,
    from_address_field,
    from_name_field,
    reply_address_field,
    reply_to_field,
    unsubscribe_field,
)
from hub.integrations.emails.layout import html_body, plain_body
from hub.integrations.emails.letter import (
    LOGO_ID,
    letter_headers,
    letterhead_values,
    message_id,
    reply_address,
    sender_name,
    sheet_of,
    subject_of,
)

__all__ = [
    "EmailIntegration",
    "LOGO_ID",
    "MAX_FILE_SIZE",
    "REPLY_TO_ADDRESS",
    "UNAUTHENTICATED",
    "UNSUBSCRIBE_REMINDERS",
    "clean_email",
    "domain_of",
    "from_address_field",
    "from_name_field",
    "html_body",
    "letter_headers",
    "letterhead_values",
    "message_id",
    "plain_body",
    "reply_address",
    "reply_address_field",
    "reply_to_field",
    "sender_name",
    "sheet_of",
    "subject_of",
    "unsubscribe_field",
    "validate_address",
    "validate_ascii_address",
    "wire_form",
]
