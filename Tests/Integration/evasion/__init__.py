"""Ways around a naive matcher, as data."""
