"""The WSGI entry point for servers of your own: `gunicorn wsgi:app`."""

import sys

from hub import create_app, startup
from hub.errors import HubError

try:
    app = create_app(startup.load(wait=True))
except HubError as problem:
    print(problem, file=sys.stderr)  # raised, it would be logged with a traceback
    sys.exit(startup.EXIT_CODE)
