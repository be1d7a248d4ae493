"""That the checks see what they are there for."""
