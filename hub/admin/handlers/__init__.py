"""Pages of handlers: the list, one handler with its events, and one event with its attempts."""
