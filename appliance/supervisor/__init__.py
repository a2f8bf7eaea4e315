"""Is it running, and does it really answer."""
