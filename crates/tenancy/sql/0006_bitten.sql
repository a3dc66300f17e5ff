-- Why: the violations of a bite are seeded on one cell at a time, and on the one that has waited longest.
-- Lock: ACCESS EXCLUSIVE on tenancy.cells, for a moment: its rows are few.
-- Undo: drop the column.

ALTER TABLE tenancy.cells
    -- When every violation that was seeded there was found. One where some were not is next again.
    ADD COLUMN bitten_at timestamptz;
