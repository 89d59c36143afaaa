"""Statistics for people: how many samples, which difference, how much regret, how far along."""
