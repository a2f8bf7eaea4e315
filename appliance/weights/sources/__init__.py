"""Where the bytes come from: one file per kind of place."""
