"""Scripts of other libraries: they run in a virtual environment of their own (README.md)."""
