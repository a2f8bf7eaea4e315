"""The long-lived daemon of one server: owns state, makes fact match wish, serves the local API."""
