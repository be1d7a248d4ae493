"""What several tests need. Everything here talks over real sockets on the loopback interface."""
