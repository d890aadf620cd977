"""The WSGI entry point for servers of your own: `gunicorn wsgi:app`."""

import sys

from hub import create_app
from hub.core.errors import HubError
from hub.shared import startup_checks

try:
    app = create_app(startup_checks.load_config(wait=True))
except HubError as problem:
    print(problem, file=sys.stderr)  # raised, it would be logged with a traceback
    sys.exit(startup_checks.EXIT_CODE)
