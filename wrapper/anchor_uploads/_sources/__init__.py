"""What callers hand in: opened, read, and read again."""
