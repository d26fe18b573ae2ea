"""Engines of clamped networks: synapses under imposed spikes."""
