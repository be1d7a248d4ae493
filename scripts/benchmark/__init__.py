"""How fast and how small: the clients side by side in one run, against a server on this machine that keeps nothing."""
