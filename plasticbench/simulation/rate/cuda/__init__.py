"""The cuda engine of rate networks: one thread block a life, its whole life in one launch."""
