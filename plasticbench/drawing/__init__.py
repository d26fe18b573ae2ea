"""Pictures of lives, rules and curves."""
