"""The Flask application: its factory, its extensions and its health checks."""
