"""The copy that BI reads."""
