-- The chain took the veto back: what was vetoed is sent again, or was never gone.
WITH restored AS (
  UPDATE epoch SET status = 'sent'
  WHERE book = $1 AND status = 'vetoed'
  RETURNING number, status, header_hash
), told AS (
  SELECT append_events(types, subjects, details) FROM (
    SELECT array_agg('epoch.reverted'::text) AS types, array_agg(NULL::text) AS subjects,
      array_agg(jsonb_build_object('epoch', number, 'header_hash', header_hash, 'status', status) ORDER BY number) AS details
    FROM restored HAVING count(*) > 0
  ) AS back CROSS JOIN LATERAL take_head()
)
SELECT r.number FROM (SELECT count(*) FROM told) AS said, restored r ORDER BY r.number
