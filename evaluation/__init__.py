"""How good the product's judgement is, measured: `python -m evaluation`. Run by `make eval`."""
