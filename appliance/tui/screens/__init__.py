"""Screens: they hold what is chosen and what is typed, and pass the rest on."""
