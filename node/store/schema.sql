-- The node's state.db. Every statement may be run again.

CREATE TABLE IF NOT EXISTS updates (
    run TEXT NOT NULL,
    round INTEGER NOT NULL,
    model TEXT NOT NULL,
    digest TEXT NOT NULL,
    size INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    steps INTEGER NOT NULL,
    share REAL NOT NULL,
    metrics TEXT NOT NULL,   -- JSON object
    verdict TEXT,            -- NULL: written, not acknowledged yet
    sentence TEXT NOT NULL DEFAULT '',
    heard_at REAL NOT NULL DEFAULT 0,
    PRIMARY KEY (run, round)
) STRICT;

CREATE TABLE IF NOT EXISTS evaluations (
    run TEXT NOT NULL,
    round INTEGER NOT NULL,
    metrics TEXT NOT NULL,   -- JSON object
    PRIMARY KEY (run, round)
) STRICT;

-- The newest duties, so that a node that restarts offline carries on.
CREATE TABLE IF NOT EXISTS duties (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    duties TEXT NOT NULL     -- JSON list
) STRICT;

-- Everything that ever left this PC.
CREATE TABLE IF NOT EXISTS sent (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,        -- UTC seconds
    what TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    run TEXT NOT NULL DEFAULT '',
    round INTEGER NOT NULL DEFAULT 0,
    digest TEXT NOT NULL DEFAULT '',
    details TEXT NOT NULL DEFAULT ''
) STRICT;
