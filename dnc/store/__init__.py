"""The trial store: measurements, and the steps of searches, as rows of a SQLite file."""
