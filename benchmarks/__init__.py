"""What is measured beside the package."""
