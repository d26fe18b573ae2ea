"""The rule language: text in, straight-line programs out; printed, differentiated, lowered to source."""
