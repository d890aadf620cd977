"""The documentation: Markdown files of `docs/`, rendered and served at `/docs`."""
