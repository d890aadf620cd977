"""The extensions that pages need and workers do without, created empty."""

from __future__ import annotations

from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import LoginManager
from flask_wtf.csrf import CSRFProtect

from hub import assets

csrf = CSRFProtect()
limiter = Limiter(get_remote_address)
login = LoginManager()


def init_app(app: Flask) -> None:
    """Fill them; the admin door sets up its sign-in itself."""
    csrf.init_app(app)
    # counted as installed, it adds no hook of its own: accounts.limits asks it by name, and no
    # request pays for it unasked
    app.extensions["limiter"] = {limiter}
    limiter.init_app(app)
    assets.init_app(app)
