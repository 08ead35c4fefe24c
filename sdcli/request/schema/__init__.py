"""The request's fields by subject, each with its flag, its limits and its help."""
