"""What the integration tests stand on: real processes, real sockets, conditions with deadlines instead of sleeps."""
