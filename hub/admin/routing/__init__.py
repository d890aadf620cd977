"""The Routing page: who is notified of each event, over which channels, and in which order."""
