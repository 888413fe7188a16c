/** How many streams may be open at once, of both sides: port-forward opens two for each of its connections. */
const streamsMax = 512;
/** How many bytes may wait for peers to accept their streams. */
const heldBytesMax = 1024 * 1024;

/** A stream that is open in at least one direction. */
export type SpdyStream = {
  readonly isOurs: boolean;
  /** SYN_REPLY was sent or received: moby/spdystream drops the data that comes before. */
  accepted: boolean;
  /** We sent FIN, or will when the stream is accepted. */
  finished: boolean;
  peerFinished: boolean;
  /** Our bytes that wait for the stream to be accepted. */
  held: Buffer[];
};

/** The open streams of a connection, and which ids were used. A stream that ended in both directions is forgotten. */
export class SpdyStreams {
  readonly #streams = new Map<number, SpdyStream>();
  readonly #peerParity: 0 | 1;
  #nextId: number;
  #lastPeerId = 0;
  #heldBytes = 0;

  /** Clients open odd ids, servers even ones. */
  constructor(role: 'client' | 'server') {
    this.#nextId = role === 'client' ? 1 : 2;
    this.#peerParity = role === 'client' ? 0 : 1;
  }

  get size(): number {
    return this.#streams.size;
  }

  get isFull(): boolean {
    return this.#streams.size >= streamsMax;
  }

  /** The last id that the peer used; 0 for none. */
  get lastPeerId(): number {
    return this.#lastPeerId;
  }

  /** Whether bytes wait for a stream to be accepted. */
  get isHolding(): boolean {
    return this.#heldBytes > 0;
  }

  get(id: number): SpdyStream | undefined {
    return this.#streams.get(id);
  }

  /** Whether an id, of a stream or of a PING, is one of those that the peer gives. */
  isOfPeer(id: number): boolean {
    return id % 2 === this.#peerParity;
  }

  /** A new id of ours. Each is given once; beyond 31 bits none can be sent. */
  takeId(): number {
    const id = this.#nextId;
    this.#nextId += 2;
    return id;
  }

  /** Notes an id that the peer opens a stream with. False: it is not the peer's to give, or was used. */
  takePeerId(id: number): boolean {
    if (!this.isOfPeer(id) || id <= this.#lastPeerId) return false;
    this.#lastPeerId = id;
    return true;
  }

  add(id: number, isOurs: boolean): void {
    this.#streams.set(id, {
      isOurs,
      accepted: false,
      finished: false,
      peerFinished: false,
      held: [],
    });
  }

  /** Keeps bytes until the stream is accepted. False: there are too many. */
  hold(stream: SpdyStream, bytes: Buffer): boolean {
    if (this.#heldBytes + bytes.length > heldBytesMax) return false;
    this.#heldBytes += bytes.length;
    stream.held.push(bytes);
    return true;
  }

  /** The bytes that were held. */
  release(stream: SpdyStream): readonly Buffer[] {
    const { held } = stream;
    stream.held = [];
    for (const bytes of held) this.#heldBytes -= bytes.length;
    return held;
  }

  forget(id: number): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    this.release(stream);
    this.#streams.delete(id);
  }

  /** Forgets a stream that ended in both directions. */
  settle(id: number, stream: SpdyStream): void {
    if (stream.accepted && stream.finished && stream.peerFinished) this.forget(id);
  }

  clear(): void {
    this.#streams.clear();
    this.#heldBytes = 0;
  }
}
