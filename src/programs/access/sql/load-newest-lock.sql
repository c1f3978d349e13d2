-- The active lock of each agreement, else the newest of its past ones.
SELECT l.*
FROM unnest($1::text[]) AS k (agreement_id)
CROSS JOIN LATERAL (
  (SELECT a.*, 0 AS past FROM access_lock a WHERE a.agreement_id = k.agreement_id AND a.status = 'locked')
  UNION ALL
  (SELECT p.*, 1 FROM access_lock p WHERE p.agreement_id = k.agreement_id
   ORDER BY p.place DESC LIMIT 1)
  ORDER BY past LIMIT 1
) AS l
