"""Flask extensions of the pages, created empty: sign-in and protection against forged forms."""

from __future__ import annotations

from flask import Flask
from flask_login import LoginManager
from flask_wtf.csrf import CSRFProtect

csrf = CSRFProtect()
login = LoginManager()


def init_app(app: Flask) -> None:
    """Set up the extensions of an application."""
    csrf.init_app(app)
    login.init_app(app)
