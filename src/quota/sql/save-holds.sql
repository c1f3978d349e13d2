-- $1: rows of quota_hold
INSERT INTO quota_hold (id, user_id, entity_type, day, units, reference, created_by, created_at, expires_at, status,
  committed, ended_at)
SELECT id, user_id, entity_type, day, units, reference, created_by, created_at, expires_at, status, committed, ended_at
FROM json_to_recordset($1)
  AS r (id text, user_id text, entity_type smallint, day integer, units bigint, reference text, created_by text,
    created_at bigint, expires_at bigint, status text, committed bigint, ended_at bigint)
ON CONFLICT (id)
DO UPDATE SET units = excluded.units, expires_at = excluded.expires_at, status = excluded.status,
  committed = excluded.committed, ended_at = excluded.ended_at
