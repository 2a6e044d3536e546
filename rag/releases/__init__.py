"""Variants of the assistant: named, compared on part of the traffic, promoted and rolled back."""
