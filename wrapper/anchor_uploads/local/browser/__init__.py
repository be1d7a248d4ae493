"""A session's browser: where it is on this machine, its process, and what it shows."""
