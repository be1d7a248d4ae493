"""What was published: fetched, taken apart, and recorded."""
