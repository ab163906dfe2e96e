"""What evasion costs: an adversary with a budget, and what it must spend before it is missed."""
