"""What is said at the server's port: the API, the live view, and CDP."""
