-- Events were missed since the last block at which nothing was: from there on all is looked at again,
-- and until then nothing is said of how far all is known.
UPDATE chain_cursor SET seen_block = checked_block, final_block = checked_block, final_time = 0 WHERE book = $1
