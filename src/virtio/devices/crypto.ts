/** The crypto device (virtio 5.9): ciphers, hashes, MACs, AEAD and RSA, for keys that sessions hold. */
import type { DescriptorChain } from "../chain.ts";
import { ConfigFields } from "../config.ts";
import type { Counters, DeviceIo, State, VirtioDevice } from "../device.ts";
import { drain, type Virtqueue } from "../queue.ts";
import { bit, bits, DeviceType } from "../spec.ts";
import { WORK_PER_TURN } from "../work.ts";
import type { CryptoBackend } from "./crypto-backend.ts";
import {
  AeadAlgo,
  AkcipherAlgo,
  CipherAlgo,
  CryptoConfig as Config,
  CREATE_BYTES,
  CryptoCreate,
  CryptoDestroy,
  CryptoFeature,
  CryptoOp,
  CryptoQueue,
  CryptoReady,
  CryptoService,
  CryptoStatus,
  CTRL_HEADER_BYTES,
  CTRL_LEGACY_BYTES,
  DATA_BYTES,
  DATA_HEADER_BYTES,
  DATA_LEGACY_BYTES,
  DESTROY_BYTES,
  FLAG_SESSION_MODE,
  HashAlgo,
  MacAlgo,
  SESSION_INPUT_BYTES,
  SESSION_INPUT_STATUS,
} from "./crypto-protocol.ts";
import { CRYPTO_REQUEST_MAX, executeCrypto } from "./crypto-request.ts";
import {
  AUTH_KEY_MAX,
  CIPHER_KEY_MAX,
  type CryptoSession,
  createSession,
  RSA_KEY_MAX,
} from "./crypto-session.ts";

const QUEUE_SIZE = 64;

/** Linux makes two for each user of a key. With RSA keys so many are 2 MiB. */
export const CRYPTO_SESSIONS_MAX = 512;

/** Algorithms compute some 50 MB in the second in which bytes are copied by the gigabyte; see `work.ts`. */
const WORK_PER_BYTE = 64;

const CREATES: ReadonlySet<number> = new Set(Object.values(CryptoCreate));
const DESTROYS: ReadonlySet<number> = new Set(Object.values(CryptoDestroy));
const OPERATIONS: ReadonlySet<number> = new Set(Object.values(CryptoOp));

export class CryptoDevice implements VirtioDevice {
  readonly type = DeviceType.CRYPTO;
  readonly names = {
    title: "Crypto device",
    chapter: "5.9",
    features: CryptoFeature,
    config: Config,
    traffic: ["bytes"],
  };
  readonly name: string;
  readonly features = bit(CryptoFeature.REVISION_1);
  readonly queueSizes = [QUEUE_SIZE, QUEUE_SIZE];
  readonly config = new ConfigFields(Config.BYTES)
    .setU32(Config.STATUS, CryptoReady.HW_READY)
    .setU32(Config.MAX_DATAQUEUES, CryptoQueue.CONTROL)
    .setU32(Config.CRYPTO_SERVICES, maskOf(CryptoService))
    .setU32(Config.CIPHER_ALGO_L, maskOf(CipherAlgo))
    .setU32(Config.HASH_ALGO, maskOf(HashAlgo))
    .setU32(Config.MAC_ALGO_L, maskOf(MacAlgo))
    .setU32(Config.AEAD_ALGO, maskOf(AeadAlgo))
    .setU32(Config.MAX_CIPHER_KEY_LEN, CIPHER_KEY_MAX)
    .setU32(Config.MAX_AUTH_KEY_LEN, AUTH_KEY_MAX)
    .setU32(Config.AKCIPHER_ALGO, maskOf(AkcipherAlgo))
    .setU64(Config.MAX_SIZE, CRYPTO_REQUEST_MAX);
  readonly #backend: CryptoBackend;
  readonly #sessions = new Map<number, CryptoSession>();
  #nextSession = 1;
  #io: DeviceIo | undefined;
  readonly #counters = { requests: 0, refused: 0, bytes: 0 };

  constructor(name: string, backend: CryptoBackend) {
    this.name = name;
    this.#backend = backend;
  }

  activate(io: DeviceIo): void {
    this.#io = io;
  }

  notify(index: number): void {
    const queue = this.#io?.queues[index];
    if (queue === undefined) return;
    drain(queue, (chain) => {
      this.#counters.requests++;
      if (index === CryptoQueue.CONTROL) queue.push(chain, this.#control(chain));
      else this.#operate(queue, chain);
      return true;
    });
  }

  reset(): void {
    this.#io = undefined;
    this.#sessions.clear();
    this.#nextSession = 1;
  }

  counters(): Counters {
    return { ...this.#counters, sessions: this.#sessions.size };
  }

  save(): State {
    return { version: 1, sessions: [...this.#sessions], nextSession: this.#nextSession };
  }

  load(state: State): void {
    const sessions = state.sessions as readonly (readonly [number, CryptoSession])[];
    for (const [id, session] of sessions) this.#sessions.set(id, session);
    this.#nextSession = state.nextSession as number;
  }

  get #hasRevision1(): boolean {
    return ((this.#io?.features ?? 0n) & bit(CryptoFeature.REVISION_1)) !== 0n;
  }

  /** Executes a request about a session; how many bytes of an answer it wrote. */
  #control(chain: DescriptorChain): number {
    const header = viewOf(chain, 0, CTRL_HEADER_BYTES);
    const opcode = header?.getUint32(0, true) ?? -1;
    if (!CREATES.has(opcode)) {
      if (chain.writableLength < 1) return 0;
      const status = DESTROYS.has(opcode) ? this.#destroy(chain, opcode) : CryptoStatus.NOTSUPP;
      return this.#writeStatus(chain, 0, header === undefined ? CryptoStatus.ERR : status);
    }
    // Without room for its number a session could never be used nor destroyed.
    if (chain.writableLength < SESSION_INPUT_BYTES) return 0;
    const session = this.#create(chain, opcode);
    const answer = new DataView(new ArrayBuffer(SESSION_INPUT_BYTES));
    if (typeof session === "number") {
      this.#counters.refused++;
      answer.setUint32(SESSION_INPUT_STATUS, session, true);
    } else {
      answer.setUint32(0, this.#nextSession, true);
      answer.setUint32(4, Math.floor(this.#nextSession / 2 ** 32), true);
      this.#sessions.set(this.#nextSession++, session);
    }
    return chain.writeAt(0, new Uint8Array(answer.buffer));
  }

  #create(chain: DescriptorChain, opcode: number): CryptoSession | CryptoStatus {
    const service = (opcode >> 8) as CryptoService;
    const length = this.#hasRevision1 ? CREATE_BYTES[service] : CTRL_LEGACY_BYTES;
    const fields = viewOf(chain, CTRL_HEADER_BYTES, length);
    if (fields === undefined) return CryptoStatus.ERR;
    const start = CTRL_HEADER_BYTES + length;
    const key = new Uint8Array(Math.min(chain.readableLength - start, RSA_KEY_MAX));
    chain.readAt(start, key);
    this.#io?.spend(WORK_PER_BYTE * key.length);
    const session = createSession(service, fields, key, this.#backend);
    if (this.#sessions.size < CRYPTO_SESSIONS_MAX || typeof session === "number") return session;
    return this.#hasRevision1 ? CryptoStatus.NOSPC : CryptoStatus.ERR;
  }

  #destroy(chain: DescriptorChain, opcode: number): CryptoStatus {
    const fields = viewOf(chain, CTRL_HEADER_BYTES, DESTROY_BYTES);
    const id = fields === undefined ? -1 : sessionIdAt(fields, 0);
    if (this.#sessions.get(id)?.service !== opcode >> 8) return CryptoStatus.ERR;
    this.#sessions.delete(id);
    return CryptoStatus.OK;
  }

  /** The status is the last byte that is writable: results may be shorter than their buffers. */
  #operate(queue: Virtqueue, chain: DescriptorChain): void {
    const room = chain.writableLength - 1;
    if (room < 0) {
      queue.push(chain, 0);
      return;
    }
    const header = viewOf(chain, 0, DATA_HEADER_BYTES);
    const opcode = header?.getUint32(0, true) ?? -1;
    const { status, output = NOTHING } = this.#execute(chain, header, opcode, room);
    const written = chain.writeAt(0, output);
    const end = this.#writeStatus(chain, room, status);
    this.#counters.bytes += written;
    // Of an RSA operation the driver wants to know how long its result is, and gets one byte more.
    if (opcode >> 8 === CryptoService.AKCIPHER && written < room) {
      chain.fillAt(written, 1, 0);
      queue.push(chain, written + 1);
    } else {
      queue.push(chain, written === room ? end : written);
    }
  }

  #execute(chain: DescriptorChain, header: DataView | undefined, opcode: number, room: number) {
    if (header === undefined) return { status: CryptoStatus.ERR };
    if (!OPERATIONS.has(opcode)) return { status: CryptoStatus.NOTSUPP };
    const isStateless = (header.getUint32(16, true) & FLAG_SESSION_MODE) === 0;
    if (this.#hasRevision1 && isStateless) return { status: CryptoStatus.NOTSUPP };
    const service = opcode >> 8;
    const length = this.#hasRevision1 ? DATA_BYTES[service] : DATA_LEGACY_BYTES;
    const fields = viewOf(chain, DATA_HEADER_BYTES, length);
    if (fields === undefined) return { status: CryptoStatus.ERR };
    const start = DATA_HEADER_BYTES + length;
    const inputLength = chain.readableLength - start;
    const input = (bytes: number) => {
      const copy = new Uint8Array(bytes);
      chain.readAt(start, copy);
      this.#counters.bytes += bytes;
      this.#io?.spend(service === CryptoService.AKCIPHER ? WORK_PER_TURN : WORK_PER_BYTE * bytes);
      return copy;
    };
    const session = this.#sessions.get(sessionIdAt(header, 8));
    return executeCrypto({ opcode, fields, inputLength, input, room }, session, this.#backend);
  }

  #writeStatus(chain: DescriptorChain, at: number, status: CryptoStatus): number {
    if (status !== CryptoStatus.OK) this.#counters.refused++;
    chain.writeAt(at, Uint8Array.of(status));
    return at + 1;
  }
}

const NOTHING = new Uint8Array(0);

/** A copy of `length` readable bytes at `at`, if there are so many. */
function viewOf(chain: DescriptorChain, at: number, length: number): DataView | undefined {
  const bytes = new Uint8Array(length);
  return chain.readAt(at, bytes) === length ? new DataView(bytes.buffer) : undefined;
}

/** Numbers of 2^53 and above lose low bits, and are no session's. */
function sessionIdAt(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
}

function maskOf(table: Readonly<Record<string, number>>): number {
  return Number(bits(...Object.values(table)));
}
