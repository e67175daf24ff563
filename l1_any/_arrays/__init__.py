"""Array libraries: what differs between them. No other folder of the package names them."""
