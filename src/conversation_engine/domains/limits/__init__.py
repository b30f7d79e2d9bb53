"""How often, and for how much: rates and budgets."""
