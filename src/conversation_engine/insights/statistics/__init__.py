"""What goes on in conversations: how many, how long, how well."""
