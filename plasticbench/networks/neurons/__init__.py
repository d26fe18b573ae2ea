"""Neuron models of spiking networks, one file each: equations in the rule language, SI units.

Conductances are in units of the leak conductance, currents in A.
"""

from plasticbench.networks.neurons.adaptive_lif import AdaptiveLIF
from plasticbench.networks.neurons.conductance_lif import ConductanceLIF
from plasticbench.networks.neurons.driven_lif import DrivenLIF
from plasticbench.networks.neurons.escape_lif import EscapeLIF
from plasticbench.networks.neurons.model import NeuronModel
from plasticbench.networks.neurons.moving_threshold_lif import MovingThresholdLIF

__all__ = ["AdaptiveLIF", "ConductanceLIF", "DrivenLIF", "EscapeLIF", "MovingThresholdLIF", "NeuronModel"]
