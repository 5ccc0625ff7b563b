"""What the repository needs for itself, and no user of the package."""
