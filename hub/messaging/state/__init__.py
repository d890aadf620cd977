"""State that jobs share: messages in one transaction, due times, clocks, unreadable rows."""
