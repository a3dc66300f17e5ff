-- Why: what PostgreSQL calls a cluster is public and a copy of its files has it too, so that another
--      server could be taken for a cell of ours. A random mark is on ours besides.
-- Lock: ACCESS EXCLUSIVE on tenancy.cells, for a moment: its rows are few.
-- Undo: drop the column.

ALTER TABLE tenancy.cells
    -- The comment on the owner's role there. A cell that was added before has none.
    ADD COLUMN mark text UNIQUE;
