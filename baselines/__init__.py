"""plasticbench.baselines"""
