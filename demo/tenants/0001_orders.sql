-- The schema of a tenant that has a database of its own. There is no tenant column: the connection
-- itself is bound to the tenant, since its login can open no other database.

CREATE TABLE orders (
    id         uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    buyer      text        NOT NULL,
    total      numeric     NOT NULL CHECK (total >= 0),
    ordered_at timestamptz NOT NULL DEFAULT now()
);
