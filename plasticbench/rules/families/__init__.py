"""Families: search spaces of rules."""
