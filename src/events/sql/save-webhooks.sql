INSERT INTO webhook (id, url, types, created_by, created_at, replays, replay_from, deleted_at)
SELECT id, url, types, created_by, created_at, replays, replay_from, deleted_at
FROM jsonb_to_recordset($1::jsonb) AS r (id text, url text, types text[], created_by text, created_at bigint,
  replays integer, replay_from bigint, deleted_at bigint)
ON CONFLICT (id) DO UPDATE
SET replays = excluded.replays, replay_from = excluded.replay_from, deleted_at = excluded.deleted_at
