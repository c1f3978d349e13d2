-- By "asset/section".
SELECT c.asset, c.section, c.count
FROM unnest($1::text[]) AS k (key)
CROSS JOIN LATERAL (
  SELECT asset, section, count FROM section_count
  WHERE asset = split_part(k.key, '/', 1) AND section = split_part(k.key, '/', 2)::smallint OFFSET 0
) AS c
