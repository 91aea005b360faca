"""Synthetic outside worlds, the demonstration, and the benchmarks."""
