"""Usage and money: what was used, what it cost, prices and budgets."""
