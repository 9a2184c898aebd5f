"""What a node must not forget: SQLite, with its SQL in the files beside this one."""
