"""Engines that let a network live under a rule."""
