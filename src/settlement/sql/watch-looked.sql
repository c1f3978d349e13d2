-- What the node said last, and when.
UPDATE chain_cursor SET latest_block = $2, looked_at_ms = $3 WHERE book = $1
