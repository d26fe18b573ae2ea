"""plasticbench.envs"""
