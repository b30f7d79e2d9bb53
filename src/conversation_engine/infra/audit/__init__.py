"""Who did what that somebody may have to answer for: written in the transaction of the deed."""
