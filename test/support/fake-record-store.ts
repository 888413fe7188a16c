import type { AppendEnd, Leaf, RecordStore, StreamRow } from '../../src/record/index.ts';

/** A store that keeps what it is given, and does as it is told. */
export class FakeRecordStore implements RecordStore {
  readonly streams: StreamRow[] = [];
  readonly closed: { id: string; size: number }[] = [];
  readonly batches: Leaf[][] = [];
  /** The checkpoint that came with each batch. */
  readonly checkpoints: string[] = [];
  readonly rows = new Map<string, Leaf>();
  readonly resets: string[] = [];
  /** What happens to the next calls: thrown before or after the rows were kept, or an end of its own. */
  onAppend: (batch: readonly Leaf[]) => 'keep' | 'lose' | 'keep-and-lose' | 'hang' | AppendEnd =
    () => 'keep';
  onOpen: () => 'keep' | 'lose' = () => 'keep';
  #hanging: ((cause: Error) => void)[] = [];

  openStream = (stream: StreamRow): Promise<void> => {
    if (this.onOpen() === 'lose') return Promise.reject(new Error('connection refused'));
    this.streams.push(stream);
    return Promise.resolve();
  };

  append = async (
    stream: StreamRow,
    batch: readonly Leaf[],
    checkpoint: string,
  ): Promise<AppendEnd> => {
    this.batches.push([...batch]);
    this.checkpoints.push(checkpoint);
    const end = this.onAppend(batch);
    if (end === 'hang') {
      return new Promise((_resolve, reject) => this.#hanging.push(reject));
    }
    if (typeof end === 'object') return end;
    if (end !== 'lose') {
      for (const leaf of batch) {
        const key = `${stream.id}/${leaf.seq}`;
        const there = this.rows.get(key);
        if (there !== undefined && there.text !== leaf.text) return { kind: 'fork', seq: leaf.seq };
        this.rows.set(key, leaf);
      }
    }
    await Promise.resolve();
    if (end !== 'keep') throw new Error('connection lost');
    return { kind: 'committed' };
  };

  closeStream = (stream: StreamRow, size: number): Promise<void> => {
    this.closed.push({ id: stream.id, size });
    return Promise.resolve();
  };

  reset = (why: string): void => {
    this.resets.push(why);
    for (const reject of this.#hanging.splice(0)) reject(new Error('reset'));
  };
}
