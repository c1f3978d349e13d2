-- Today's state of each quota, all at one moment. The version
-- grows with every change of the allowance and of the day's usage. Holds that are due hold nothing,
-- though the row still counts them (`lapsed`); they are looked at only where one is due.
SELECT q.user_id, q.entity_type, coalesce(a.quota_per_day, k.default_per_day) AS quota_per_day,
  coalesce(u.used, 0)::bigint AS used, (coalesce(u.held, 0) - coalesce(due.lapsed, 0))::bigint AS held,
  coalesce(due.lapsed, 0)::bigint AS lapsed,
  CASE WHEN u.next_expiry > clock.now THEN u.next_expiry ELSE due.next_expiry END AS next_expiry,
  coalesce(a.version, 0) + coalesce(u.version, 0) AS version, clock.now, clock.now / 86400 AS day
FROM (SELECT ledger_now() AS now OFFSET 0) AS clock
CROSS JOIN unnest($1::text[], $2::bigint[]) AS q (user_id, entity_type)
JOIN quota_kind k ON k.id = q.entity_type
LEFT JOIN allowance a ON a.user_id = q.user_id AND a.entity_type = q.entity_type
LEFT JOIN usage u ON u.user_id = q.user_id AND u.entity_type = q.entity_type AND u.day = clock.now / 86400
LEFT JOIN LATERAL (
  SELECT sum(h.units) FILTER (WHERE h.expires_at <= clock.now)::bigint AS lapsed,
    min(h.expires_at) FILTER (WHERE h.expires_at > clock.now) AS next_expiry
  FROM quota_hold h
  WHERE u.next_expiry <= clock.now
    AND h.user_id = q.user_id AND h.entity_type = q.entity_type AND h.day = u.day AND h.status = 'open'
) AS due ON u.next_expiry <= clock.now
