"""The search box of every page, and its results."""
