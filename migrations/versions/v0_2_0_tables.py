"""Create the tables of version 0.2.0."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0.2.0"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.LargeBinary(16).with_variant(postgresql.UUID(), "postgresql")
TIME = sa.BigInteger().with_variant(sa.DateTime(timezone=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "connections",
        sa.Column("id", ID, nullable=False),
        sa.Column("integration", sa.String(), nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("test", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("state_reason", sa.String(), nullable=False),
        sa.Column("state_at", TIME, nullable=False),
        sa.Column("settings", sa.LargeBinary(), nullable=True),
        sa.Column("settings_version", sa.Integer(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("sender", sa.String(), nullable=False),
        sa.Column("destination", sa.String(), nullable=False),
        sa.Column("per_second", sa.Double(), nullable=True),
        sa.Column("rules", sa.String(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("archived_at", TIME, nullable=True),
        sa.Column("last_callback_at", TIME, nullable=True),
        sa.Column("templates_due_at", TIME, nullable=True),
        sa.Column("checked_version", sa.Integer(), nullable=True),
        sa.Column("checked_at", TIME, nullable=True),
        sa.Column("checked_ok", sa.Boolean(), nullable=True),
        sa.Column("check_result", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_connections")),
        sa.UniqueConstraint("slug", name=op.f("uq_connections_slug")),
    )
    op.create_index(
        op.f("ix_connections_integration_account"), "connections", ["integration", "account"]
    )

    op.create_table(
        "contacts",
        sa.Column("id", ID, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("address_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("test", sa.Boolean(), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=True),
        sa.Column("time_zone", sa.String(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("erased_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contacts")),
        sa.UniqueConstraint(
            "kind", "address_key", "test", name=op.f("uq_contacts_kind_address_key_test")
        ),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("api_key_id", ID, nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("key_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("body_hmac", sa.LargeBinary(length=32), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint(
            "api_key_id", "path", "key_digest", name=op.f("pk_idempotency_keys")
        ),
    )
    op.create_index(op.f("ix_idempotency_keys_created_at"), "idempotency_keys", ["created_at"])

    op.create_table(
        "message_bodies",
        sa.Column("owner_id", ID, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", name=op.f("pk_message_bodies")),
    )
    op.create_table(
        "quarantined_rows",
        sa.Column("id", ID, nullable=False),
        sa.Column("table_name", sa.String(), nullable=False),
        sa.Column("row_id", sa.String(), nullable=False),
        sa.Column("error", sa.String(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.Column("retry_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantined_rows")),
        sa.UniqueConstraint(
            "table_name", "row_id", name=op.f("uq_quarantined_rows_table_name_row_id")
        ),
    )
    op.create_table(
        "settings",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_settings")),
    )
    op.create_table(
        "sources",
        sa.Column("id", ID, nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("applies_to_all", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sources")),
        sa.UniqueConstraint("slug", name=op.f("uq_sources_slug")),
    )
    op.create_table(
        "templates",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("event_type", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("locale", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_templates")),
        sa.UniqueConstraint(
            "name", "channel", "locale", name=op.f("uq_templates_name_channel_locale")
        ),
    )
    op.create_table(
        "throttles",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("ready_at", TIME, nullable=True),
        sa.Column("bulk_ready_at", TIME, nullable=True),
        sa.Column("tokens", sa.Double(), nullable=False),
        sa.Column("refilled_at", TIME, nullable=True),
        sa.Column("paused_until", TIME, nullable=True),
        sa.Column("rate", sa.Double(), nullable=True),
        sa.Column("full_rate", sa.Double(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("pauses", sa.Integer(), nullable=False),
        sa.Column("opened_at", TIME, nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_throttles")),
    )
    op.create_table(
        "users",
        sa.Column("id", ID, nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("role", sa.Integer(), nullable=False),
        sa.Column("password_hash", sa.String(), nullable=False),
        sa.Column("time_zone", sa.String(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("signed_in_at", TIME, nullable=True),
        sa.Column("disabled_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", ID, nullable=False),
        sa.Column("source_id", ID, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("test", sa.Boolean(), nullable=False),
        sa.Column("scopes", sa.String(), nullable=False),
        sa.Column("per_minute", sa.Integer(), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=True),
        sa.Column("revoked_at", TIME, nullable=True),
        sa.Column("used_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_api_keys_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("digest", name=op.f("uq_api_keys_digest")),
    )
    op.create_table(
        "audit_entries",
        sa.Column("id", ID, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("user_id", ID, nullable=True),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_audit_entries_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entries")),
    )
    op.create_index(op.f("ix_audit_entries_subject_id"), "audit_entries", ["subject", "id"])

    op.create_table(
        "consents",
        sa.Column("id", ID, nullable=False),
        sa.Column("contact_id", ID, nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("given", sa.Boolean(), nullable=False),
        sa.Column("evidence", sa.String(), nullable=False),
        sa.Column("source_id", ID, nullable=True),
        sa.Column("at", TIME, nullable=False),
        sa.Column("ip", sa.String(), nullable=False),
        sa.Column("user_agent", sa.String(), nullable=False),
        sa.Column("proof", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name=op.f("fk_consents_contact_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
    )
    op.create_index(op.f("ix_consents_contact_id_id"), "consents", ["contact_id", "id"])

    op.create_table(
        "contact_links",
        sa.Column("id", ID, nullable=False),
        sa.Column("contact_id", ID, nullable=False),
        sa.Column("other_id", ID, nullable=False),
        sa.Column("callback_id", ID, nullable=True),
        sa.Column("linked_at", TIME, nullable=False),
        sa.Column("undone_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name=op.f("fk_contact_links_contact_id")
        ),
        sa.ForeignKeyConstraint(
            ["other_id"], ["contacts.id"], name=op.f("fk_contact_links_other_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_links")),
        sa.UniqueConstraint(
            "contact_id", "other_id", name=op.f("uq_contact_links_contact_id_other_id")
        ),
    )
    op.create_index(op.f("ix_contact_links_other_id"), "contact_links", ["other_id"])

    op.create_table(
        "conversations",
        sa.Column("id", ID, nullable=False),
        sa.Column("connection_id", ID, nullable=False),
        sa.Column("contact_id", ID, nullable=True),
        sa.Column("test", sa.Boolean(), nullable=False),
        sa.Column("last_id", ID, nullable=False),
        sa.Column("last_at", TIME, nullable=False),
        sa.Column("unread", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connections.id"], name=op.f("fk_conversations_connection_id")
        ),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name=op.f("fk_conversations_contact_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversations")),
        sa.UniqueConstraint(
            "connection_id", "contact_id", name=op.f("uq_conversations_connection_id_contact_id")
        ),
    )
    op.create_index(op.f("ix_conversations_contact_id"), "conversations", ["contact_id"])
    op.create_index(op.f("ix_conversations_last_id"), "conversations", ["last_id"])
    op.create_index(
        "ix_conversations_unread",
        "conversations",
        ["last_id"],
        sqlite_where=sa.text("unread > 0"),
        postgresql_where=sa.text("unread > 0"),
    )

    op.create_table(
        "inbound_messages",
        sa.Column("id", ID, nullable=False),
        sa.Column("connection_id", ID, nullable=False),
        sa.Column("contact_id", ID, nullable=True),
        sa.Column("source_id", ID, nullable=True),
        sa.Column("callback_id", ID, nullable=True),
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("keyword", sa.String(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("read_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connections.id"], name=op.f("fk_inbound_messages_connection_id")
        ),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name=op.f("fk_inbound_messages_contact_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbound_messages")),
        sa.UniqueConstraint(
            "connection_id",
            "provider_id",
            name=op.f("uq_inbound_messages_connection_id_provider_id"),
        ),
    )
    op.create_index(
        op.f("ix_inbound_messages_contact_id_id"), "inbound_messages", ["contact_id", "id"]
    )

    op.create_table(
        "linked_chats",
        sa.Column("connection_id", ID, nullable=False),
        sa.Column("source_id", ID, nullable=False),
        sa.Column("address_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("contact_id", ID, nullable=False),
        sa.Column("linked_at", TIME, nullable=False),
        sa.Column("callback_id", ID, nullable=True),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connections.id"], name=op.f("fk_linked_chats_connection_id")
        ),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name=op.f("fk_linked_chats_contact_id")
        ),
        sa.ForeignKeyConstraint(
            ["source_id"], ["sources.id"], name=op.f("fk_linked_chats_source_id")
        ),
        sa.PrimaryKeyConstraint(
            "connection_id", "source_id", "address_key", name=op.f("pk_linked_chats")
        ),
    )
    op.create_index(op.f("ix_linked_chats_contact_id"), "linked_chats", ["contact_id"])

    op.create_table(
        "media_files",
        sa.Column("id", ID, nullable=False),
        sa.Column("source_id", ID, nullable=True),
        sa.Column("test", sa.Boolean(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("content_type", sa.String(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["source_id"], ["sources.id"], name=op.f("fk_media_files_source_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_media_files")),
    )
    op.create_index(op.f("ix_media_files_expires_at"), "media_files", ["expires_at"])

    op.create_table(
        "paused_destinations",
        sa.Column("connection_id", ID, nullable=False),
        sa.Column("contact_id", ID, nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.Column("reopened_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connections.id"], name=op.f("fk_paused_destinations_connection_id")
        ),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name=op.f("fk_paused_destinations_contact_id")
        ),
        sa.PrimaryKeyConstraint("connection_id", "contact_id", name=op.f("pk_paused_destinations")),
    )
    op.create_index(
        op.f("ix_paused_destinations_contact_id"), "paused_destinations", ["contact_id"]
    )

    op.create_table(
        "provider_callbacks",
        sa.Column("id", ID, nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("endpoint", sa.String(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("connection_id", ID, nullable=True),
        sa.Column("request", sa.LargeBinary(), nullable=True),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column("due_at", TIME, nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("error", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connections.id"], name=op.f("fk_provider_callbacks_connection_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_callbacks")),
        sa.UniqueConstraint(
            "subject",
            "detail",
            "endpoint",
            "scope",
            name=op.f("uq_provider_callbacks_subject_detail_endpoint_scope"),
        ),
    )
    op.create_index(
        op.f("ix_provider_callbacks_due_at"),
        "provider_callbacks",
        ["due_at"],
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index(
        "ix_provider_callbacks_error",
        "provider_callbacks",
        ["id"],
        sqlite_where=sa.text("error <> ''"),
        postgresql_where=sa.text("error <> ''"),
    )

    op.create_table(
        "provider_templates",
        sa.Column("id", ID, nullable=False),
        sa.Column("connection_id", ID, nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("locale", sa.String(), nullable=False),
        sa.Column("category", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("variables", sa.String(), nullable=False),
        sa.Column("synced_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connections.id"], name=op.f("fk_provider_templates_connection_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_templates")),
        sa.UniqueConstraint(
            "connection_id",
            "external_id",
            name=op.f("uq_provider_templates_connection_id_external_id"),
        ),
    )
    op.create_table(
        "recipient_paces",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("contact_id", ID, nullable=False),
        sa.Column("next_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name=op.f("fk_recipient_paces_contact_id")
        ),
        sa.PrimaryKeyConstraint("name", "contact_id", name=op.f("pk_recipient_paces")),
    )
    op.create_index(op.f("ix_recipient_paces_contact_id"), "recipient_paces", ["contact_id"])

    op.create_table(
        "requests",
        sa.Column("id", ID, nullable=False),
        sa.Column("source_id", ID, nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("test", sa.Boolean(), nullable=False),
        sa.Column("title", sa.LargeBinary(), nullable=True),
        sa.Column("sender", sa.LargeBinary(), nullable=True),
        sa.Column("url", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("state_at", TIME, nullable=False),
        sa.Column("reported_at", TIME, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_requests_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_requests")),
        sa.UniqueConstraint(
            "source_id", "external_id", "test", name=op.f("uq_requests_source_id_external_id_test")
        ),
    )
    op.create_index(op.f("ix_requests_state_id"), "requests", ["state", "id"])

    op.create_table(
        "routes",
        sa.Column("id", ID, nullable=False),
        sa.Column("source_id", ID, nullable=True),
        sa.Column("event_type", sa.String(), nullable=False),
        sa.Column("audience", sa.String(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_routes_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_routes")),
    )
    op.create_table(
        "session_windows",
        sa.Column("sender", sa.String(), nullable=False),
        sa.Column("contact_id", ID, nullable=False),
        sa.Column("opened_at", TIME, nullable=False),
        sa.Column("closes_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name=op.f("fk_session_windows_contact_id")
        ),
        sa.PrimaryKeyConstraint("sender", "contact_id", name=op.f("pk_session_windows")),
    )
    op.create_index(op.f("ix_session_windows_contact_id"), "session_windows", ["contact_id"])

    op.create_table(
        "sessions",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("seen_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sessions_user_id")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_user_id"), "sessions", ["user_id"])

    op.create_table(
        "template_versions",
        sa.Column("id", ID, nullable=False),
        sa.Column("template_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["template_id"], ["templates.id"], name=op.f("fk_template_versions_template_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_template_versions")),
        sa.UniqueConstraint(
            "template_id", "number", name=op.f("uq_template_versions_template_id_number")
        ),
    )
    op.create_table(
        "usage",
        sa.Column("connection_id", ID, nullable=False),
        sa.Column("day", sa.String(), nullable=False),
        sa.Column("messages", sa.Integer(), nullable=False),
        sa.Column("segments", sa.Integer(), nullable=False),
        sa.Column("estimate", sa.Numeric(precision=14, scale=5), nullable=False),
        sa.Column("price", sa.Numeric(precision=14, scale=5), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connections.id"], name=op.f("fk_usage_connection_id")
        ),
        sa.PrimaryKeyConstraint("connection_id", "day", name=op.f("pk_usage")),
    )
    op.create_table(
        "events",
        sa.Column("id", ID, nullable=False),
        sa.Column("request_id", ID, nullable=False),
        sa.Column("source_id", ID, nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("occurred_at", TIME, nullable=False),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=True),
        sa.Column("skipped", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"], name=op.f("fk_events_request_id")),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_events_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
    )
    op.create_index(op.f("ix_events_request_id_id"), "events", ["request_id", "id"])

    op.create_table(
        "route_steps",
        sa.Column("id", ID, nullable=False),
        sa.Column("route_id", ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("connection_id", ID, nullable=True),
        sa.Column("template", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connections.id"], name=op.f("fk_route_steps_connection_id")
        ),
        sa.ForeignKeyConstraint(["route_id"], ["routes.id"], name=op.f("fk_route_steps_route_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_route_steps")),
        sa.UniqueConstraint("route_id", "position", name=op.f("uq_route_steps_route_id_position")),
    )
    op.create_table(
        "signers",
        sa.Column("id", ID, nullable=False),
        sa.Column("request_id", ID, nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("details", sa.LargeBinary(), nullable=True),
        sa.Column("signing_url", sa.LargeBinary(), nullable=True),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("state_at", TIME, nullable=False),
        sa.Column("reported_at", TIME, nullable=False),
        sa.Column("remind_at", TIME, nullable=True),
        sa.Column("reminded_at", TIME, nullable=True),
        sa.Column("reminders", sa.Integer(), nullable=False),
        sa.Column("snoozed_until", TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["request_id"], ["requests.id"], name=op.f("fk_signers_request_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signers")),
        sa.UniqueConstraint(
            "request_id", "external_id", name=op.f("uq_signers_request_id_external_id")
        ),
    )
    op.create_index(
        op.f("ix_signers_remind_at"),
        "signers",
        ["remind_at"],
        sqlite_where=sa.text("remind_at IS NOT NULL"),
        postgresql_where=sa.text("remind_at IS NOT NULL"),
    )

    op.create_table(
        "template_mappings",
        sa.Column("id", ID, nullable=False),
        sa.Column("connection_id", ID, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("locale", sa.String(), nullable=False),
        sa.Column("provider_template_id", ID, nullable=False),
        sa.Column("variables", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connections.id"], name=op.f("fk_template_mappings_connection_id")
        ),
        sa.ForeignKeyConstraint(
            ["provider_template_id"],
            ["provider_templates.id"],
            name=op.f("fk_template_mappings_provider_template_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_template_mappings")),
        sa.UniqueConstraint(
            "connection_id",
            "name",
            "locale",
            name=op.f("uq_template_mappings_connection_id_name_locale"),
        ),
    )
    op.create_table(
        "action_tokens",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("connection_id", ID, nullable=True),
        sa.Column("event_id", ID, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("used_at", TIME, nullable=True),
        sa.Column("used_by", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connections.id"], name=op.f("fk_action_tokens_connection_id")
        ),
        sa.ForeignKeyConstraint(
            ["event_id"], ["events.id"], name=op.f("fk_action_tokens_event_id")
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_action_tokens")),
    )
    op.create_index(
        "ix_action_tokens_event_id",
        "action_tokens",
        ["event_id"],
        sqlite_where=sa.text("event_id IS NOT NULL"),
        postgresql_where=sa.text("event_id IS NOT NULL"),
    )
    op.create_index(
        "ix_action_tokens_used",
        "action_tokens",
        ["subject", "used_at"],
        sqlite_where=sa.text("used_at IS NOT NULL"),
        postgresql_where=sa.text("used_at IS NOT NULL"),
    )

    op.create_table(
        "links",
        sa.Column("id", ID, nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("signer_id", ID, nullable=True),
        sa.Column("url", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=True),
        sa.Column("opened_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["signer_id"], ["signers.id"], name=op.f("fk_links_signer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_links")),
        sa.UniqueConstraint("digest", name=op.f("uq_links_digest")),
    )
    op.create_table(
        "messages",
        sa.Column("id", ID, nullable=False),
        sa.Column("event_id", ID, nullable=True),
        sa.Column("request_id", ID, nullable=True),
        sa.Column("signer_id", ID, nullable=True),
        sa.Column("contact_id", ID, nullable=False),
        sa.Column("connection_id", ID, nullable=False),
        sa.Column("source_id", ID, nullable=True),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("test", sa.Boolean(), nullable=False),
        sa.Column("lane", sa.String(), nullable=False),
        sa.Column("thread", sa.String(), nullable=False),
        sa.Column("step_id", ID, nullable=True),
        sa.Column("template_version_id", ID, nullable=True),
        sa.Column("consent_id", ID, nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due_at", TIME, nullable=True),
        sa.Column("expires_at", TIME, nullable=True),
        sa.Column("escalate_at", TIME, nullable=True),
        sa.Column("exempt", sa.Boolean(), nullable=False),
        sa.Column("manual", sa.Boolean(), nullable=False),
        sa.Column("stop_reason", sa.String(), nullable=True),
        sa.Column("dedup_key", sa.LargeBinary(length=32), nullable=True),
        sa.Column("after_id", ID, nullable=True),
        sa.Column("edits_id", ID, nullable=True),
        sa.Column("provider_id", sa.String(), nullable=True),
        sa.Column("body_hmac", sa.LargeBinary(length=32), nullable=True),
        sa.Column("segments", sa.Integer(), nullable=True),
        sa.Column("estimate", sa.Numeric(precision=12, scale=5), nullable=True),
        sa.Column("price", sa.Numeric(precision=12, scale=5), nullable=True),
        sa.Column("changed_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["after_id"], ["messages.id"], name=op.f("fk_messages_after_id")),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connections.id"], name=op.f("fk_messages_connection_id")
        ),
        sa.ForeignKeyConstraint(
            ["consent_id"], ["consents.id"], name=op.f("fk_messages_consent_id")
        ),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name=op.f("fk_messages_contact_id")
        ),
        sa.ForeignKeyConstraint(["edits_id"], ["messages.id"], name=op.f("fk_messages_edits_id")),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name=op.f("fk_messages_event_id")),
        sa.ForeignKeyConstraint(
            ["request_id"], ["requests.id"], name=op.f("fk_messages_request_id")
        ),
        sa.ForeignKeyConstraint(["signer_id"], ["signers.id"], name=op.f("fk_messages_signer_id")),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_messages_source_id")),
        sa.ForeignKeyConstraint(["step_id"], ["route_steps.id"], name=op.f("fk_messages_step_id")),
        sa.ForeignKeyConstraint(
            ["template_version_id"],
            ["template_versions.id"],
            name=op.f("fk_messages_template_version_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
        sa.UniqueConstraint("after_id", name=op.f("uq_messages_after_id")),
        sa.UniqueConstraint("dedup_key", name=op.f("uq_messages_dedup_key")),
    )
    op.create_index(
        op.f("ix_messages_code_id"),
        "messages",
        ["code", "id"],
        sqlite_where=sa.text("code <> ''"),
        postgresql_where=sa.text("code <> ''"),
    )
    op.create_index(
        op.f("ix_messages_connection_id_status_id"), "messages", ["connection_id", "status", "id"]
    )
    op.create_index(
        op.f("ix_messages_connection_id_status_lane_due_at"),
        "messages",
        ["connection_id", "status", "lane", "due_at"],
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index(op.f("ix_messages_contact_id_id"), "messages", ["contact_id", "id"])
    op.create_index(
        "ix_messages_edits_id",
        "messages",
        ["edits_id"],
        sqlite_where=sa.text("edits_id IS NOT NULL"),
        postgresql_where=sa.text("edits_id IS NOT NULL"),
    )
    op.create_index(op.f("ix_messages_request_id_id"), "messages", ["request_id", "id"])
    op.create_index(op.f("ix_messages_source_id_test_id"), "messages", ["source_id", "test", "id"])
    op.create_index(
        "ix_messages_thread",
        "messages",
        ["connection_id", "thread", "id"],
        sqlite_where=sa.text("thread <> ''"),
        postgresql_where=sa.text("thread <> ''"),
    )

    op.create_table(
        "attempts",
        sa.Column("message_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("connection_id", ID, nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("request_ref", sa.String(), nullable=False),
        sa.Column("milliseconds", sa.Integer(), nullable=True),
        sa.Column("account", sa.String(), nullable=True),
        sa.Column("sender", sa.String(), nullable=False),
        sa.Column("provider_id", sa.String(), nullable=True),
        sa.Column("template", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connections.id"], name=op.f("fk_attempts_connection_id")
        ),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_attempts_message_id")
        ),
        sa.PrimaryKeyConstraint("message_id", "number", name=op.f("pk_attempts")),
        sa.UniqueConstraint(
            "connection_id", "provider_id", name=op.f("uq_attempts_connection_id_provider_id")
        ),
    )
    op.create_table(
        "platform_events",
        sa.Column("id", ID, nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("message_id", ID, nullable=True),
        sa.Column("request_id", ID, nullable=True),
        sa.Column("source_id", ID, nullable=True),
        sa.Column("at", TIME, nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_platform_events_message_id")
        ),
        sa.ForeignKeyConstraint(
            ["request_id"], ["requests.id"], name=op.f("fk_platform_events_request_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_platform_events")),
        sa.UniqueConstraint("cause", name=op.f("uq_platform_events_cause")),
    )
    op.create_index(op.f("ix_platform_events_message_id"), "platform_events", ["message_id"])

    op.create_table(
        "status_events",
        sa.Column("id", ID, nullable=False),
        sa.Column("message_id", ID, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("status", sa.String(), nullable=True),
        sa.Column("provider_status", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("callback_id", ID, nullable=True),
        sa.Column("provider_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_status_events_message_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_status_events")),
        sa.UniqueConstraint(
            "message_id",
            "attempt",
            "source",
            "provider_status",
            "code",
            name=op.f("uq_status_events_message_id_attempt_source_provider_status_code"),
        ),
    )
    op.create_table(
        "suppressions",
        sa.Column("id", ID, nullable=False),
        sa.Column("address_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("sender", sa.String(), nullable=False),
        sa.Column("source_id", ID, nullable=True),
        sa.Column("test", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("explanation", sa.String(), nullable=False),
        sa.Column("lift_reason", sa.String(), nullable=False),
        sa.Column("message_id", ID, nullable=True),
        sa.Column("since", TIME, nullable=False),
        sa.Column("lifted_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_suppressions_message_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suppressions")),
    )
    op.create_index("ix_suppressions_address_key", "suppressions", ["address_key"])
    op.create_index("ix_suppressions_message_id", "suppressions", ["message_id"])
    op.create_index("ix_suppressions_source_id", "suppressions", ["source_id", "id"])
    op.create_index(
        "uq_suppressions_open",
        "suppressions",
        ["address_key", "channel", "sender", "test"],
        unique=True,
        sqlite_where=sa.text("lifted_at IS NULL AND source_id IS NULL"),
        postgresql_where=sa.text("lifted_at IS NULL AND source_id IS NULL"),
    )
    op.create_index(
        "uq_suppressions_open_of_source",
        "suppressions",
        ["source_id", "address_key", "channel", "sender", "test"],
        unique=True,
        sqlite_where=sa.text("lifted_at IS NULL AND source_id IS NOT NULL"),
        postgresql_where=sa.text("lifted_at IS NULL AND source_id IS NOT NULL"),
    )

    op.create_table(
        "threads",
        sa.Column("connection_id", ID, nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("provider_thread", sa.String(), nullable=False),
        sa.Column("message_id", ID, nullable=True),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connections.id"], name=op.f("fk_threads_connection_id")
        ),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_threads_message_id")
        ),
        sa.PrimaryKeyConstraint("connection_id", "subject", name=op.f("pk_threads")),
    )


def downgrade() -> None:
    for table in (
        "threads",
        "suppressions",
        "status_events",
        "platform_events",
        "attempts",
        "messages",
        "links",
        "action_tokens",
        "template_mappings",
        "signers",
        "route_steps",
        "events",
        "usage",
        "template_versions",
        "sessions",
        "session_windows",
        "routes",
        "requests",
        "recipient_paces",
        "provider_templates",
        "provider_callbacks",
        "paused_destinations",
        "media_files",
        "linked_chats",
        "inbound_messages",
        "conversations",
        "contact_links",
        "consents",
        "audit_entries",
        "api_keys",
        "users",
        "throttles",
        "templates",
        "sources",
        "settings",
        "quarantined_rows",
        "message_bodies",
        "idempotency_keys",
        "contacts",
        "connections",
    ):
        op.drop_table(table)
