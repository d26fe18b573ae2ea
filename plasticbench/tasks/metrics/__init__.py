"""What recorded spikes and weights come to: pure functions, and the box of what is plausible in a cortical network."""
