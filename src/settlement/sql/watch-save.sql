-- $1 book, $2 blocks, $3 events, $4 the last block that was looked at, $5 where it went on from: one statement, so that what
-- was seen and how far stand together. An event that was lost is found again; one that is known stays as it is.
WITH moved AS (
  UPDATE chain_cursor SET seen_block = $4 WHERE book = $1 AND seen_block = $5 RETURNING 1
), blocks AS (
  INSERT INTO chain_block (book, number, hash)
  SELECT $1, b.number, b.hash FROM jsonb_to_recordset($2) AS b (number bigint, hash text), moved
  ON CONFLICT (book, number) DO UPDATE SET hash = excluded.hash
), events AS (
  INSERT INTO chain_event AS known (book, block, block_hash, block_time, tx_hash, log_index, contract, event, args)
  SELECT $1, e.block, e.block_hash, e.block_time, e.tx_hash, e.log_index, e.contract, e.event, e.args
  FROM jsonb_to_recordset($3) AS e (block bigint, block_hash text, block_time bigint, tx_hash text, log_index bigint,
    contract text, event text, args jsonb), moved
  ON CONFLICT (book, tx_hash, log_index) DO UPDATE
    SET lost = false, block = excluded.block, block_hash = excluded.block_hash, block_time = excluded.block_time
    WHERE known.lost AND (known.event, known.args) = (excluded.event, excluded.args)
)
SELECT count(*) AS moved FROM moved
