"""Where data and secrets are: a block is configuration, `check()` and `connect()`."""
