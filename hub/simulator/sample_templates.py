"""The templates of a new simulated account: every status and type occurs."""

from __future__ import annotations

from collections.abc import Iterator

from hub.simulator.content_templates import Template

SENT = {"1": "Ada", "2": "Acme", "3": "NDA.pdf"}
SIGNED = {"1": "Ada", "2": "NDA.pdf"}
LINK = {"title": "Review and sign", "type": "URL", "url": "https://sign.example/{{4}}"}

# name, language, state, reason, type, body, variables with their samples, buttons
ROWS: tuple[tuple[str, str, str, str, str, str, dict[str, str], list[dict[str, str]]], ...] = (
    (
        "request_sent",
        "en_US",
        "approved",
        "",
        "twilio/call-to-action",
        "Hello {{1}}, {{2}} has sent you {{3}} to sign. Open it with the button below.",
        SENT | {"4": "demo"},
        [LINK],
    ),
    (
        "request_sent",
        "pt_BR",
        "approved",
        "",
        "twilio/text",
        "Olá {{1}}, {{2}} enviou {{3}} para você assinar. O endereço veio por e-mail.",
        SENT,
        [],
    ),
    (
        "request_signed_others",
        "en_US",
        "approved",
        "",
        "twilio/text",
        "{{1}} has signed {{2}}. We will let you know when everyone has signed.",
        SIGNED,
        [],
    ),
    (
        "request_signed_actor",
        "en_US",
        "approved",
        "",
        "twilio/text",
        "Thank you, {{1}}. Your signature on {{2}} has been recorded.",
        SIGNED,
        [],
    ),
    (
        "request_signed_others",
        "de",
        "pending",
        "",
        "twilio/text",
        "{{1}} hat {{2}} unterschrieben. Sie hören von uns, wenn alle unterschrieben haben.",
        SIGNED,
        [],
    ),
    (
        "request_completed",
        "en_US",
        "approved",
        "",
        "twilio/text",
        "Everyone has signed {{2}}. Thank you, {{1}}. The signed copy is in your email inbox.",
        SIGNED,
        [],
    ),
    (
        "request_completed",
        "de",
        "rejected",
        "The variables are too close to the end of the text.",
        "twilio/text",
        "Alle haben unterschrieben: {{1}}, {{2}}",
        SIGNED,
        [],
    ),
    (
        "request_reminder",
        "en_US",
        "approved",
        "",
        "twilio/quick-reply",
        "Hello {{1}}, {{2}} is still waiting for your signature. Should we send you the link"
        " again?",
        SIGNED,
        [{"title": "Send it again", "id": "resend"}, {"title": "Decline to sign", "id": "decline"}],
    ),
    (
        "request_reminder",
        "pt_BR",
        "paused",
        "",
        "twilio/text",
        "Olá {{1}}, {{2}} ainda espera pela sua assinatura. Responda se precisar de ajuda.",
        SIGNED,
        [],
    ),
)


def templates() -> Iterator[Template]:
    """Create the templates, each with a new SID."""
    for name, language, status, reason, kind, body, variables, actions in ROWS:
        content = {"body": body, **({"actions": actions} if actions else {})}
        yield Template(
            friendly_name=f"{name}_{language}",
            language=language,
            types={kind: content},
            variables=dict(variables),
            name=f"{name}_{language}".lower(),
            category="UTILITY",
            status=status,
            reason=reason,
        )
