"""Keep the order of events with the same key, at endpoints that need it.

Each delivery to a message broker has a key, and a position among those with its key. Only the first
delivery of a key that is not finished may be claimed. So the order holds with several workers, and
while a delivery waits for its next attempt.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import and_, bindparam, exists, func, or_, select

from hub.db.compiled_sql import get_table
from hub.db.types import Id
from hub.models import WebhookDelivery


def is_next(delivery: Any) -> Any:
    """Return a condition: no unfinished delivery with the same key comes before this one.

    `delivery`: the columns of a delivery. Those without a key have no order.
    """
    earlier = get_table(WebhookDelivery).alias("earlier")
    waits_before = exists().where(
        earlier.c.endpoint_id == delivery.endpoint_id,
        earlier.c.order_key == delivery.order_key,
        earlier.c.due_at.is_not(None),
        earlier.c.position <= delivery.position,
        or_(
            earlier.c.position < delivery.position,
            and_(earlier.c.position == delivery.position, earlier.c.event_id < delivery.event_id),
        ),
    )
    return or_(delivery.order_key.is_(None), ~waits_before)


def next_position() -> Any:
    """Return the position of a new delivery, of the parameters `endpoint` and `key`.

    The database counts, because the clocks of several machines may differ. Transactions that store
    events of the same message wait for each other.
    """
    earlier = get_table(WebhookDelivery).alias("earlier")
    return (
        select(func.coalesce(func.max(earlier.c.position), 0) + 1)
        .where(
            earlier.c.endpoint_id == bindparam("endpoint", type_=Id("whk")),
            earlier.c.order_key == bindparam("key"),
        )
        .scalar_subquery()
    )
