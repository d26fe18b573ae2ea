"""Neural networks of the benchmark, declared as data: populations, pathways, inputs."""
