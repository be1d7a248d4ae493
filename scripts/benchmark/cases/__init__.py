"""What is measured: each case runs its processes and gives an `Outcome` for each table."""
