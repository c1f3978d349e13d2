-- $1: its id
SELECT h.id, h.user_id, h.entity_type, h.day, h.units, h.reference, h.created_by, h.created_at, h.expires_at, h.status,
  h.committed, h.ended_at, ledger_now() AS now
FROM quota_hold h WHERE h.id = $1
