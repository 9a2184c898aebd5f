-- The coordinator's state.db. Every statement may be run again.

-- Everything that ever happened, in order. Rows are never changed or removed.
CREATE TABLE IF NOT EXISTS facts (
    seq INTEGER PRIMARY KEY,
    run TEXT NOT NULL,       -- or empty
    at REAL NOT NULL,        -- UTC seconds
    kind TEXT NOT NULL,
    json TEXT NOT NULL,
    version INTEGER NOT NULL,
    digest TEXT NOT NULL     -- SHA-256 over the other columns
) STRICT;

-- What the facts up to `seq` add up to: saves time at start-up, nothing else.
CREATE TABLE IF NOT EXISTS snapshots (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    seq INTEGER NOT NULL,
    json TEXT NOT NULL,
    digest TEXT NOT NULL
) STRICT;
