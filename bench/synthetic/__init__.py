"""Seeded generators of files in a publisher's real layout."""
