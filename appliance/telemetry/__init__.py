"""What the cards and engines did over time."""
