"""What should run where, what it takes, how fast it will be, and whether it starts at all."""
