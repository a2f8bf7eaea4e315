"""The terminal screens, a client of the node. No logic of its own."""
