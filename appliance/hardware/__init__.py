"""What is in this server and how is each card doing right now."""
