INSERT INTO webhook (id, url, types, created_by, created_at, replays, replay_from, deleted_at)
SELECT id, url,
  CASE WHEN types IS NOT NULL THEN ARRAY(SELECT jsonb_array_elements_text(types)) END, created_by, created_at, replays, replay_from, deleted_at
FROM unnest($1::text[], $2::text[], $3::jsonb[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
  AS r (id, url, types, created_by, created_at, replays, replay_from, deleted_at)
ON CONFLICT (id) DO UPDATE
SET replays = excluded.replays, replay_from = excluded.replay_from, deleted_at = excluded.deleted_at
