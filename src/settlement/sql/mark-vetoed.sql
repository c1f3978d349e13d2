-- The chain dropped epoch $2: it and all after it, which continue it, are told of as vetoed.
WITH stopped AS (
  UPDATE epoch SET status = 'vetoed'
  WHERE book = $1 AND number >= $2 AND status <> 'vetoed'
  RETURNING number, header_hash
), told AS (
  SELECT append_events(types, subjects, details) FROM (
    SELECT array_agg('epoch.vetoed'::text) AS types, array_agg(NULL::text) AS subjects,
      array_agg(jsonb_build_object('epoch', number, 'header_hash', header_hash) ORDER BY number) AS details
    FROM stopped HAVING count(*) > 0
  ) AS gone CROSS JOIN LATERAL take_head()
)
SELECT s.number FROM (SELECT count(*) FROM told) AS said, stopped s ORDER BY s.number
