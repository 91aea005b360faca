"""What turns the flows into a running system."""
