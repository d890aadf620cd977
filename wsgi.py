"""The WSGI entry point for servers of your own: `gunicorn wsgi:app`."""

from hub import create_app

app = create_app()
