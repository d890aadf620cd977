"""Decide whether a message may be sent to a contact over a connection, and when."""
