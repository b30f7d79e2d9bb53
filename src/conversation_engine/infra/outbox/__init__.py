"""Events that leave the system, written in the transaction of what they tell."""
