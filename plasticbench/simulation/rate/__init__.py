"""Engines of rate networks."""
