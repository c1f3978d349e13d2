SELECT k.account, ARRAY (
  SELECT id FROM access_reservation r WHERE r.account = k.account AND r.status = 'reserved' ORDER BY id) AS ids
FROM unnest($1::uuid[]) AS k (account)
