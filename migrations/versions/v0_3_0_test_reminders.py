"""Keep apart who reminds the signers of live and of test requests."""

import sqlalchemy as sa
from alembic import op

revision = "0.3.0_test_reminders"
down_revision = "0.3.0_opt_out_line"
branch_labels = None
depends_on = None

TIME = sa.BigInteger().with_variant(sa.DateTime(timezone=True), "postgresql")


def upgrade() -> None:
    op.add_column(
        "sources", sa.Column("test_reminded_by", sa.String(), nullable=False, server_default="hub")
    )
    op.add_column("sources", sa.Column("test_reminders_since", TIME, nullable=True))
    bind = op.get_bind()
    bind.execute(sa.text("UPDATE sources SET test_reminders_since = reminders_since"))
    # reminders of users have no ID in an app
    bind.execute(
        sa.text(
            "UPDATE sources SET test_reminded_by = 'app' WHERE id IN (SELECT events.source_id"
            " FROM events JOIN requests ON requests.id = events.request_id"
            " WHERE events.type = 'request.reminder' AND events.external_id <> ''"
            " AND requests.test)"
        )
    )


def downgrade() -> None:
    for name in ("test_reminded_by", "test_reminders_since"):
        op.drop_column("sources", name)
