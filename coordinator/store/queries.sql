-- name: append
-- One more fact. Its number must be new.
INSERT INTO facts (seq, run, at, kind, json, version, digest)
VALUES (:seq, :run, :at, :kind, :json, :version, :digest);

-- name: last_seq
-- The number of the newest fact, 0 when there is none.
SELECT coalesce(max(seq), 0) AS seq FROM facts;

-- name: rows
-- The facts behind a number, in order.
SELECT seq, run, at, kind, json, version, digest FROM facts WHERE seq > :after ORDER BY seq;

-- name: keep_snapshot
-- Replaces the one before.
INSERT INTO snapshots (only, seq, json, digest) VALUES (1, :seq, :json, :digest)
ON CONFLICT (only) DO UPDATE SET seq = excluded.seq, json = excluded.json, digest = excluded.digest;

-- name: snapshot
-- The newest snapshot.
SELECT seq, json, digest FROM snapshots;
