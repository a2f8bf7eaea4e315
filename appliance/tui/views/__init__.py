"""What each screen shows, as functions from a `Scene` to lines."""
