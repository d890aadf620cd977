"""Track messages after they are sent: statuses, lost callbacks, prices, timelines."""
