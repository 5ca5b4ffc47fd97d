"""Video similarity in use: pairs that are compared, near-duplicates that are searched, and runs that are evaluated."""
