-- Tamper evidence: each stream is a signed Merkle tree, a ledger is a tree over the checkpoints of all streams, and
-- the ledger's checkpoint is anchored outside.

-- The last row of every batch carries the signed checkpoint of its stream up to it: same statement, same transaction.
alter table records add column checkpoint text;
--> statement-breakpoint

-- When the stream's process last gave a sign of life; what of it is in the ledger; and whether there is nothing more to
-- be done for it. Streams without signatures, of a version before this one, are settled.
alter table streams add column seen_at timestamptz;
--> statement-breakpoint
alter table streams add column ledger_size bigint not null default 0;
--> statement-breakpoint
alter table streams add column settled boolean not null default true;
--> statement-breakpoint
create index streams_unsettled on streams (seen_at) where not settled;
--> statement-breakpoint

create table ledger (
  seq bigint primary key,
  -- certificate, checkpoint or heartbeat: what `bytes` are.
  kind text not null,
  -- SHA-256(0x00 || bytes): the RFC 6962 leaf hash.
  leaf bytea not null,
  bytes bytea not null,
  -- On the last row of each append: the signed checkpoint of the ledger up to it, and the roots of the complete subtrees
  -- that it is made of. Those need no signature: they hash to the root, which has one.
  checkpoint text,
  peaks bytea,
  at timestamptz not null default clock_timestamp()
);
--> statement-breakpoint
create index ledger_heartbeats on ledger (seq) where kind = 'heartbeat';
--> statement-breakpoint
create trigger ledger_keep before update or delete on ledger
  for each row execute function refuse_change();
--> statement-breakpoint
create trigger ledger_keep_all before truncate on ledger
  for each statement execute function refuse_change();
--> statement-breakpoint

-- Where a checkpoint of the ledger was put: what an auditor asks for. Nothing is believed because it stands here.
create table anchors (
  ledger_size bigint not null,
  kind text not null,
  ref text not null,
  at timestamptz not null default clock_timestamp()
);
--> statement-breakpoint
create index anchors_newest on anchors (ledger_size);
