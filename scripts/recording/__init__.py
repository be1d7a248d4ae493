"""Records runs for the documentation: the command as text, the demo as a picture."""
