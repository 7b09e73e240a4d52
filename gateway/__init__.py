"""Shop-floor data integrity gateway."""
