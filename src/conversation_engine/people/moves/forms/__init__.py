"""How conversations are written: one module for each form, all of them `write(talks, at=…)`."""
