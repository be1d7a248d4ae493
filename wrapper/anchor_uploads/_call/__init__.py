"""One call, from its arguments to its result. Nothing here opens a socket or awaits."""
