"""The cuda engine of spiking networks: one thread block a life, its whole life on the device."""
