"""Settings, errors, the words that every layer uses, and where the data folder keeps its files."""

__version__ = "0.2.0"
