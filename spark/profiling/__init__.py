"""What a dataset's columns hold, what they mean, and how a drop differs from those before it."""
