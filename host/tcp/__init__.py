"""TCP connections on the wire: listeners, routes by address and server name, both ends of a connection, its node."""
