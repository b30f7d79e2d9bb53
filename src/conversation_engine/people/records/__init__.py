"""Everything that is kept about a person: exported, erased."""
