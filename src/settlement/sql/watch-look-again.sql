-- Events were missed since the last block at which nothing was: from there on all is looked at again.
UPDATE chain_cursor SET seen_block = checked_block, final_block = checked_block WHERE book = $1
