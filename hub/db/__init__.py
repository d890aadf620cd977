"""Everything about reading and writing the database, and about writing it fast."""
