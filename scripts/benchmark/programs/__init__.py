"""What runs in processes of its own: clients, each once, and the servers that they speak to."""
