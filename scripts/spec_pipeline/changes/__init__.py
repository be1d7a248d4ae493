"""What differs between two contracts, and how bad that is."""
