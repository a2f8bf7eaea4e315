"""Who may ask, and which replica answers."""
