"""What our words mean: types, units, errors, exit codes, places. Imports nothing of ours."""
