"""Tasks: networks, protocols and standardized losses, and where they are found."""
