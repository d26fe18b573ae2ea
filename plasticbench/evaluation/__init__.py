"""The official evaluation of a rule, and its result."""
