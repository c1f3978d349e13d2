-- There is nothing else to change.
UPDATE quota_kind k
SET thresholds = ARRAY(SELECT t::smallint FROM jsonb_array_elements_text(r.thresholds) AS e (t))
FROM unnest($1::bigint[], $2::jsonb[]) AS r (id, thresholds)
WHERE k.id = r.id
