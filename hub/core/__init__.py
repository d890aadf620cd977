"""Settings, errors, the vocabulary of all layers, and the files of the data folder."""

__version__ = "0.2.0"
