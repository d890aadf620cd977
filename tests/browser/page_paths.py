"""The paths of every page, by its view. A test names each view that is missing here."""

from __future__ import annotations

# what programs read, and what is no page of the hub
NO_PAGES = (
    "static",
    "webhooks.",
    "api.",
    "health.",
    "api_document.openapi",
    "lending.",
    "admin.inbound_file",
    "admin.docs_image",
    "admin.export_suppressions",
    "admin.export_texts",
    "admin.contact_data",
    "admin.evidence_file",
    "admin.evidence_pdf",
    "admin.evidence_keys",
    "admin.separate_contacts",  # needs two linked contacts
    "admin.preview_branding",  # a frame of another page
    "admin.email_of_text",  # another
    "short_links.",  # its pages have no style sheet, and their own test
)
# the view → the paths that are opened; braces are filled from the requests and messages of
# `lived_in`
ADMIN: dict[str, tuple[str, ...]] = {
    "admin.overview": ("/",),
    "admin.messages": ("/messages", "/messages?show=lost", "/messages?q=nothing"),
    "admin.message": ("/messages/{delivered}", "/messages/{undelivered}", "/messages/{suppressed}"),
    "admin.lift_suppression": ("/messages/{suppressed}/lift",),
    "admin.callbacks": ("/receipts",),
    "admin.codes": ("/codes",),
    "admin.requests": ("/requests", "/requests?state=declined"),
    "admin.request_page": ("/requests/{request}",),
    "admin.evidence": ("/requests/{request}/evidence",),
    "admin.search": ("/search", "/search?find={find}"),
    "admin.inbox": ("/inbox", "/inbox?show=unread"),
    "admin.conversation": ("/inbox/{talk}", "/inbox/{closed}"),
    "admin.people": ("/people", "/people?kind=email", "/people?kind=chat"),
    "admin.confirm_erasure": ("/contacts/{contact}/erase",),
    "admin.contact": ("/contacts/{contact}", "/contacts/{stopped}"),
    "admin.suppressions": ("/opt-outs", "/opt-outs?show=lifted", "/opt-outs?q=nobody"),
    "admin.remove_opt_out": ("/opt-outs/{optout}",),
    "admin.opt_out_rules": ("/settings/opt-out-words",),
    "admin.link_settings": ("/settings/short-links",),
    "admin.remove_link_shortener": ("/settings/short-links/bitly/remove",),
    "admin.routing": ("/routing", "/routing?source=default"),
    "admin.route": ("/routing/sent/signer", "/routing/signed/others?source=default"),
    "admin.stop_fallbacks": ("{stop_fallbacks}",),
    "admin.follow_general_route": ("/routing/sent/signer/general?source=default",),
    "admin.templates": ("/templates",),
    "admin.text_files": ("/templates/files",),
    "admin.text": ("/templates/texts/{text}", "/templates/texts/{email_text}"),
    "admin.text_version": ("/templates/texts/{text}/versions/1",),
    "admin.add_text": ("/templates/texts/{text}/add",),
    "admin.map_template": ("/templates/{template}",),
    "admin.unmap_template": ("/templates/mappings/{mapping}/remove",),
    "admin.integrations": ("/integrations", "/integrations?state=broken"),
    "admin.integration": ("/integrations/twilio_sms",),
    "admin.new_connection": ("/integrations/twilio_sms/new", "/integrations/pactsafe/new"),
    "admin.connection": (
        "/connections/demo-sms",
        "/connections/demo-slack",
        "/connections/demo-telegram",
        "/connections/{archived}",
    ),
    "admin.connection_rules": ("/connections/demo-sms/rules", "/connections/demo-whatsapp/rules"),
    "admin.rename_connection": ("/connections/demo-sms/rename",),
    "admin.archive_connection": ("/connections/demo-sms/archive",),
    "admin.disable_connection": ("/connections/demo-sms/disable",),
    "admin.webhook_endpoints": ("/webhook-endpoints",),
    "admin.webhook_endpoint": (
        "/webhook-endpoints/{endpoint}",
        "/webhook-endpoints/{endpoint}?state=missed",
        "/webhook-endpoints/{failing}",
        "/webhook-endpoints/{gone}",
    ),
    "admin.webhook_delivery": (
        "/webhook-endpoints/{endpoint}/events/{webhook}",
        "/webhook-endpoints/{failing}/events/{webhook}",
    ),
    "admin.webhook_events": ("/webhook-events",),
    "admin.new_webhook_endpoint": (
        "/webhook-endpoints/new",
        "/webhook-endpoints/new?kind=kafka",
        "/webhook-endpoints/new?kind=mqtt",
    ),
    "admin.edit_webhook_endpoint": ("/webhook-endpoints/{endpoint}/edit",),
    "admin.rotate_webhook_secret": ("/webhook-endpoints/{endpoint}/rotate",),
    "admin.disable_webhook_endpoint": ("/webhook-endpoints/{endpoint}/disable",),
    "admin.delete_webhook_endpoint": ("/webhook-endpoints/{endpoint}/delete",),
    "admin.handlers": ("/handlers",),
    "admin.handler": ("{handler}", "{failing_handler}", "{failing_handler}?state=pending"),
    "admin.handler_event": ("{handler_event}",),
    "admin.skip_handler_events": ("{failing_handler}/skip",),
    "admin.disable_handler": ("{handler}/disable",),
    "admin.clock": ("/clock",),
    "admin.unreadable_rows": ("/unreadable-rows",),
    "admin.activity": ("/activity", "/activity?kind=connection"),
    "admin.settings": ("/settings",),
    "admin.account": ("/account",),
    "admin.users": ("/settings/users",),
    "admin.api_keys": ("/settings/api-keys",),
    "admin.edit_api_key": ("/settings/api-keys/{key}",),
    "admin.revoke_api_key": ("/settings/api-keys/{key}/revoke",),
    "admin.deactivate_user": ("/settings/users/{user}/deactivate",),
    "admin.sources": ("/settings/sources",),
    "admin.source": ("/settings/sources/default",),
    "admin.branding": ("/settings/sources/default/branding",),
    "admin.docs": (
        "/docs",
        "/docs/whatsapp",
        "/docs/settings",
        "/docs/codes",
        "/docs/integration-guide",
    ),
    "api_document.docs": ("/api/docs",),
}
OPEN: dict[str, tuple[str, ...]] = {
    "admin.sign_in": ("/sign-in",),
    "admin.first_admin": ("/setup/used-up",),
    "admin.set_password": ("/password/used-up", "/password/{link}"),
    "admin.confirm_action": ("/a/nothing", "/a/{button}"),
    "admin.unsubscribe": ("/u/nothing",),
    "admin.verify_evidence": ("/evidence",),
}
PATHS = [(True, path) for paths in ADMIN.values() for path in paths] + [
    (False, path) for paths in OPEN.values() for path in paths
]
PATHS += [(True, "/nothing-here"), (True, "/connections/none"), (False, "/nothing-here")]
