"""Where model files come from, and whether they are whole: hubs, store, import and export."""
