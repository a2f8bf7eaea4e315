"""One file per vendor; `ALL` in registry.py is the list."""
