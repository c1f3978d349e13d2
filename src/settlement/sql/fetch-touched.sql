FETCH NEXT FROM touched_leaves
