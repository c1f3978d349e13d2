-- By their places on the chain: "chain id/transaction hash/log index".
SELECT k.name, l.seq
FROM unnest($1::text[]) AS k (name)
CROSS JOIN LATERAL (
  SELECT seq FROM chain_line
  WHERE chain_id = split_part(k.name, '/', 1)::bigint
    AND tx_hash = decode(split_part(k.name, '/', 2), 'hex')
    AND log_index = split_part(k.name, '/', 3)::bigint
  OFFSET 0
) AS l
