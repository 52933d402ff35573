"""What happened: gradings in a database, photographs beside it."""
