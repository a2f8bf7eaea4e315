"""Engines that are Python packages, each in an environment of its own on this server."""
