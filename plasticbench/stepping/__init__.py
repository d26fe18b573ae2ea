"""Lifetimes stepped by hand, and the Gymnasium environments that wrap them."""
