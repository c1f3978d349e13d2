/** What must be true of quotas at any commit: each query answers what breaks its rule. */
export const QUOTA_RULES: Readonly<Record<string, string>> = {
  "a quota whose open holds are not what is held of it": `
    SELECT user_id, entity_type, day FROM usage u
    FULL JOIN (
      SELECT user_id, entity_type, day, sum(units) AS units, min(expires_at) AS first
      FROM quota_hold WHERE status = 'open' GROUP BY user_id, entity_type, day
    ) AS h USING (user_id, entity_type, day)
    WHERE u.user_id IS NULL OR u.held <> coalesce(h.units, 0) OR u.next_expiry IS DISTINCT FROM h.first`,
  "a quota whose hours do not add up to its day": `
    SELECT user_id, entity_type, day FROM usage u
    FULL JOIN (
      SELECT user_id, entity_type, hour / 24 AS day, sum(used) AS used FROM usage_hour
      GROUP BY user_id, entity_type, hour / 24
    ) AS h USING (user_id, entity_type, day)
    WHERE coalesce(u.used, 0) <> coalesce(h.used, 0)`,
  "a threshold that a user was told of twice a day": `
    SELECT data ->> 'user_id' FROM event WHERE type = 'quota.threshold_reached'
    GROUP BY data ->> 'user_id', data ->> 'entity_type', data ->> 'day', data ->> 'threshold'
    HAVING count(*) > 1`,
};
