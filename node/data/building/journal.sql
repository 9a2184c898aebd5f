-- One source in the making. What is committed here is on the disk, and what is on the disk beyond it is cut off.

CREATE TABLE IF NOT EXISTS units (     -- the plan: written once, whole
    number INTEGER PRIMARY KEY,
    bytes  INTEGER NOT NULL,           -- of input
    parts  TEXT NOT NULL               -- JSON: [[name, size, ...], ...] as in plan.Part
);
CREATE TABLE IF NOT EXISTS state (     -- one row: how far the merger is
    id     INTEGER PRIMARY KEY CHECK (id = 0),
    plan   TEXT NOT NULL,              -- JSON: what the plan was made of; another one begins anew
    files  INTEGER NOT NULL,           -- how many were found
    merged INTEGER NOT NULL,           -- units merged, the first ones
    places TEXT NOT NULL               -- JSON: how long each shard and index is
);
CREATE TABLE IF NOT EXISTS counts (name TEXT PRIMARY KEY, count INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS unreadable (name TEXT NOT NULL, reason TEXT NOT NULL);  -- the first ones of each reason
CREATE TABLE IF NOT EXISTS culprits (unit INTEGER NOT NULL, part INTEGER NOT NULL);  -- parts that killed a worker
