-- Why: an older state of this database that is put back in the same place is told from the newer one: the
--      store knows which turn of the upkeep was the last.
-- Lock: ACCESS EXCLUSIVE on files.keeper, for a moment: it has one row.
-- Undo: drop the columns; what stands behind the mark in the object `amanah-keeper` is not read then.

ALTER TABLE files.keeper
    -- How often the upkeep has noted here, and then in the store, that it goes on.
    ADD COLUMN turn      bigint      NOT NULL DEFAULT 0,
    ADD COLUMN turned_at timestamptz;
