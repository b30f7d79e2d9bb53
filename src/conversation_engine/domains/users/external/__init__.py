"""People for whom another issuer vouches."""
