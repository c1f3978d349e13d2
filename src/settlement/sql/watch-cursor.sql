SELECT seen_block, final_block, checked_block, latest_block, looked_at_ms FROM chain_cursor WHERE book = $1
