"""Engines of spiking networks."""
