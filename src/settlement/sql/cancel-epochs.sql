-- The book is frozen: of its epochs those up to $2 are final, and the others are never to be.
WITH ended AS (
  UPDATE epoch SET status = 'cancelled'
  WHERE book = $1 AND number > $2 AND status NOT IN ('final', 'cancelled')
  RETURNING number, header_hash
), told AS (
  SELECT append_events(types, subjects, details) FROM (
    SELECT array_agg('epoch.cancelled'::text) AS types, array_agg(NULL::text) AS subjects,
      array_agg(jsonb_build_object('epoch', number, 'header_hash', header_hash) ORDER BY number) AS details
    FROM ended HAVING count(*) > 0
  ) AS gone CROSS JOIN LATERAL take_head()
)
SELECT e.number FROM (SELECT count(*) FROM told) AS said, ended e ORDER BY e.number
