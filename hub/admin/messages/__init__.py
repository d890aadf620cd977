"""Pages of messages: lists, one message, the inbox, callbacks and error codes."""
