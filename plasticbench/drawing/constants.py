"""What pictures of lives keep: sizes that recorders and painters share."""

N_RASTER = 100  # neurons of a raster
N_WEIGHT_BINS = 240  # of a recorded distribution of weights, from 0 to the largest weight allowed
