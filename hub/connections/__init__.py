"""Connections: setting them up, testing them, their rules, and the demo's."""
