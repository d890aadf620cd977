"""removing messages without looking through all of them for each: what refers to a message is indexed"""

import sqlalchemy as sa
from alembic import op

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None

TOLD = sa.text('edits_id IS NOT NULL')


def upgrade() -> None:
    op.create_index('ix_messages_edits_id', 'messages', ['edits_id'], sqlite_where=TOLD, postgresql_where=TOLD)
    op.create_index('ix_suppressions_message_id', 'suppressions', ['message_id'])


def downgrade() -> None:
    op.drop_index('ix_suppressions_message_id', 'suppressions')
    op.drop_index('ix_messages_edits_id', 'messages')
