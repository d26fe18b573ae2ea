"""plasticbench: environments whose policy is a synaptic plasticity rule."""
