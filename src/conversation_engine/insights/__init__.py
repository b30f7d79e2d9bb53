"""The read path: what the rows of other rooms add up to."""
