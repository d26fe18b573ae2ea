"""Losses of null, reference and uninformed rules on the familiarity tasks, as measured: what scores count from."""

# What a rate that is the same in both tests loses at least: nothing below it is regulation.
_CONSTANT_20_HZ, _CONSTANT_15_HZ = 1 / 18, 1 / 19
# Means over the first official lifetimes (how many, in the comments), measured by this code: of the null rule (0 lives:
# that of EE, whose network is the same while weights are frozen; EI: of its Mini) and of the published learned rule;
# then the loss from which a score counts, 0.22 of EI with every weight 0.026.
FEW_LIVES = (
    "its marks are means over a few of its official lifetimes so far, or its reference is no better than rules that "
    "know nothing (docs/familiarity.md)"
)
MEASURED: dict[str, tuple[float, float, float | None]] = {
    "IE": (32.2889, 0.00834162, _CONSTANT_20_HZ),  # 4 and 8 lives
    "IEMini": (30.1687, 0.0336609, _CONSTANT_20_HZ),  # 40 and 40 lives
    "EE": (0.267216, 0.0297835, _CONSTANT_15_HZ),  # 4 and 5 lives
    "EEMini": (0.254277, 0.046223, _CONSTANT_15_HZ),  # 40 and 40 lives
    "EI": (5.61997, 0.0743207, 0.22),  # 0 and 2 lives
    "EIMini": (5.61997, 1.15709, None),  # 40 and 40 lives; every weight 0.026 loses less than the reference, 0.22
    "II": (0.267216, 0.0509358, None),  # 0 and 1 lives
    "IIMini": (0.254867, 0.080385, None),  # 40 and 10 lives
    "EEIE": (0.267216, 0.00974748, _CONSTANT_15_HZ),  # 0 and 2 lives
    "EEIEMini": (0.254766, 0.0209881, _CONSTANT_15_HZ),  # 40 and 40 lives
    "EEEI": (0.267216, 0.0191756, _CONSTANT_15_HZ),  # 0 and 2 lives
    "EEEIMini": (0.254277, 0.0297312, _CONSTANT_15_HZ),  # 40 and 40 lives
    "EEII": (0.267216, 0.00948256, _CONSTANT_15_HZ),  # 0 and 1 lives
    "EEIIMini": (0.254867, 0.0309853, _CONSTANT_15_HZ),  # 40 and 40 lives
    "EIIE": (0.267216, 0.0101112, _CONSTANT_15_HZ),  # 0 and 2 lives
    "EIIEMini": (0.254766, 0.0236796, _CONSTANT_15_HZ),  # 40 and 40 lives
}
