"""Contacts: their addresses, chats, consents and opt-outs."""
