"""Reading along: teachers with their clients, admins everywhere; every look is on record."""
