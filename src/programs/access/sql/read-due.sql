-- What is due after ($1 due_at, $2 kind, $3 id), in the order in which it fell due, at most $4 of it.
-- Each branch walks its own index of what is active.
SELECT kind, id, user_id, account, due_at, entity_type, entity_id
FROM (
  (SELECT 'lock' AS kind, id, user_id, account, locked_until AS due_at,
     NULL::integer AS entity_type, NULL AS entity_id
   FROM access_lock
   WHERE status = 'locked' AND locked_until BETWEEN $1::bigint AND ledger_now()
     AND (locked_until, 'lock', id) > ($1::bigint, $2::text, $3::text)
   ORDER BY locked_until, id LIMIT $4::integer)
  UNION ALL
  (SELECT 'reservation', id, user_id, account, reserved_until, entity_type, entity_id
   FROM access_reservation
   WHERE status = 'reserved' AND reserved_until BETWEEN $1::bigint AND ledger_now()
     AND (reserved_until, 'reservation', id) > ($1::bigint, $2::text, $3::text)
   ORDER BY reserved_until, id LIMIT $4::integer)
  UNION ALL
  (SELECT 'stake', id, user_id, account, expires_at, NULL, NULL
   FROM access_stake
   WHERE status = 'staked' AND expires_at BETWEEN $1::bigint AND ledger_now()
     AND (expires_at, 'stake', id) > ($1::bigint, $2::text, $3::text)
   ORDER BY expires_at, id LIMIT $4::integer)
) AS due
ORDER BY due_at, kind, id
LIMIT $4::integer
