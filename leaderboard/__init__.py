"""plasticbench.leaderboard"""
