"""Measuring: cases, pure metrics with intervals, benches, and what trained the weights."""
