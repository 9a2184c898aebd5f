-- name: keep_update
-- An update was written; writing the same one again changes nothing, another one for that round replaces it.
INSERT INTO updates (run, round, model, digest, size, tokens, steps, share, metrics)
VALUES (:run, :round, :model, :digest, :size, :tokens, :steps, :share, :metrics)
ON CONFLICT (run, round) DO UPDATE SET
    model = excluded.model, digest = excluded.digest, size = excluded.size, tokens = excluded.tokens,
    steps = excluded.steps, share = excluded.share, metrics = excluded.metrics,
    verdict = NULL, sentence = '', heard_at = 0
WHERE updates.digest <> excluded.digest;

-- name: keep_verdict
-- The coordinator said what became of an update.
UPDATE updates SET verdict = :verdict, sentence = :sentence, heard_at = :heard_at
WHERE run = :run AND round = :round;

-- name: updates
-- The newest updates, those not acknowledged before all others.
SELECT run, round, model, digest, size, tokens, steps, share, metrics, verdict, sentence, heard_at
FROM updates ORDER BY verdict IS NOT NULL, rowid DESC LIMIT 200;

-- name: keep_evaluation
-- Measured on held-out text.
INSERT INTO evaluations (run, round, metrics) VALUES (:run, :round, :metrics)
ON CONFLICT (run, round) DO UPDATE SET metrics = excluded.metrics;

-- name: evaluations
-- The newest evaluations.
SELECT run, round, metrics FROM evaluations ORDER BY rowid DESC LIMIT 200;

-- name: keep_duties
-- Replaces all earlier duties.
INSERT INTO duties (only, duties) VALUES (1, :duties) ON CONFLICT (only) DO UPDATE SET duties = excluded.duties;

-- name: duties
-- What the coordinator asked last.
SELECT duties FROM duties;

-- name: note_sent
-- Something is about to leave this PC.
INSERT INTO sent (at, what, bytes, run, round, digest, details)
VALUES (:at, :what, :bytes, :run, :round, :digest, :details);

-- name: more_sent
-- More bytes of the same thing left.
UPDATE sent SET bytes = :bytes, details = :details WHERE id = :id;

-- name: sent
-- Everything that ever left, oldest first.
SELECT id, at, what, bytes, run, round, digest, details FROM sent ORDER BY id;
