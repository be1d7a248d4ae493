"""What is on the disk: uploads, whose a directory is, and how it goes for good."""
