"""Real servers that judge the gateway: found on this machine, started on loopback, ended by the test."""
