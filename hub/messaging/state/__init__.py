"""State that jobs share: batches of messages, due times, clocks, unreadable rows."""
