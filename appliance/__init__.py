"""A private DeepSeek service on the server you have."""

__version__ = "0.1.0"
