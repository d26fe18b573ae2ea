"""CUDA through its driver and its run-time compiler, and the engine that both kinds of networks share."""
