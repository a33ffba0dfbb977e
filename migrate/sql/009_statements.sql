-- Statements: none yet.

---- create above / drop below ----

-- Nothing to drop.
