"""Engines built on the server they run on."""
