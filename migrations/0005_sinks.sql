-- Where the record is pushed to: how far each sink came, and which replica pushes it.

create table sinks (
  name text primary key,
  -- As an export's cursor: a number for each stream, so that nothing that is recorded late is missed. Null: nothing sent yet.
  cursor text,
  moved_at timestamptz,
  -- Why the last delivery failed; null where it did not.
  last_error text,
  -- Age of the oldest record that waits for this sink. Seconds.
  lag double precision not null default 0,
  -- The process that pushes it, and until when it may without another word. Time by this database's clock.
  holder text,
  held_until timestamptz
);
