"""The overview, the activity log, and what needs attention."""
