"""From what was published to what is generated."""
